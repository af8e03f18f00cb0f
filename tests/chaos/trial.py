"""One trial: logins go on while something breaks, and afterwards everything is checked."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.chaos.callers import Load, Terms, modes
from tests.chaos.ledger import Code, Ledger
from tests.chaos.world import Setting, Usage, World
from tests.support.stack import Api, wait_until

CALLERS = 6
QUIET = 1.5  # seconds without an unavailable answer, after which it counts as recovered
RECOVERY = 60.0  # seconds that it may take
MORE_FILES = 100  # that a process may hold more than before: connections that are kept
MORE_MEMORY = 60 << 20  # bytes
CHECKERS = 6
REPLAYS = 150  # used codes of a kind that are tried again
LOGINS = 10  # before, and after
QUICK = 0.65  # of the time that something stays broken, in a quick run


@dataclass(frozen=True)
class Scenario:
    """One fault, and what is right meanwhile.

    Attributes:
        name: as in the table.
        act: breaks something and mends it.
        setting: the world that it needs.
        terms: what callers take as right.
        quick: part of every test run.
        by: the channel that people must get in by again; `None`: any.
        must_be_unavailable: a fault that nobody noticed was none.
    """

    name: str
    act: "Callable[[Trial], None]"
    setting: Setting = field(default_factory=Setting)
    terms: Terms = field(default_factory=Terms)
    quick: bool = False
    by: str | None = None
    must_be_unavailable: bool = False


@dataclass
class Row:
    """What came of a trial."""

    fault: str
    skipped: str | None = None
    requests: int = 0
    logins: int = 0
    unavailable: int = 0
    broken: int = 0
    slowest: float = 0.0
    recovery: float | None = None
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)
    memory: tuple[int, int] = (0, 0)  # MiB, the largest process, before and after
    files: tuple[int, int] = (0, 0)

    @property
    def bad(self) -> bool:
        return bool(self.wrong or self.lost)


class Trial:
    """What a scenario works with."""

    def __init__(self, world: World, load: Load, *, quick: bool) -> None:
        self.world, self.load, self.quick = world, load, quick
        self.mended_at = 0.0
        self.recoveries: list[float] = []

    @property
    def ledger(self) -> Ledger:
        return self.load.ledger

    def hold(self, seconds: float) -> None:
        """Let it be broken for so long; less in a quick run."""
        time.sleep(seconds * QUICK if self.quick else seconds)

    def logins(self, more: int, seconds: float = 30) -> None:
        """Wait for so many more logins."""
        wanted = self.load.so_far(lambda t: t.logins) + more
        wait_until(lambda: self.load.so_far(lambda t: t.logins) >= wanted, seconds)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """One of several outages: how long it takes until people get in again is measured."""
        yield
        mended = time.monotonic()
        self.logins(1)
        self.recoveries.append(time.monotonic() - mended)

    def replay(self, channel: str, wait_for: int = 1) -> None:
        """Give codes that were used to new challenges, now."""
        wait_until(lambda: len(self._used(channel)) >= wait_for)
        replay(self.world.stack.api, self.ledger, self._used(channel)[-20:])

    def _used(self, channel: str) -> list[Code]:
        return [code for code in list(self.ledger.codes) if code.used and code.channel == channel]


def run(scenario: Scenario, world: World, *, quick: bool = False) -> Row:
    """Run one scenario in its world."""
    row = Row(scenario.name)
    load = Load(world.url, world.stack.sandbox, scenario.terms, callers=CALLERS)
    trial = Trial(world, load, quick=quick)
    try:
        trial.logins(LOGINS)
        before = world.usage()
        load.pulse.begin("fault")
        scenario.act(trial)
        load.pulse.begin("after")
        # That a channel is taken again needs its breaker's time, which a quick run has not.
        row.recovery = max([_recovered(load, None if quick else scenario.by), *trial.recoveries])
    except AssertionError as error:
        load.ledger.error(f"it did not go on: {error}")
        before = world.usage()
    finally:
        load.stop()
    after = _settled(world)
    try:
        check(world, load.ledger, scenario.terms)
    except Exception as error:  # noqa: BLE001 - what can't be checked is not right
        load.ledger.error(f"could not be checked: {error!r}")
    tally = load.pulse.phases.get("fault", load.pulse.tally)
    row.requests, row.logins, row.unavailable = tally.requests, tally.logins, tally.unavailable
    row.broken, row.slowest = tally.broken, tally.slowest
    if scenario.must_be_unavailable and not tally.unavailable:
        load.ledger.error("nothing was unavailable: the fault was none")
    _compare(row, load.ledger, before, after)
    row.wrong, row.lost = load.ledger.wrong, load.ledger.lost
    row.checked = dict(load.ledger.summary())
    return row


def _recovered(load: Load, by: str | None) -> float:
    """Seconds until nothing was unavailable any more, and people got in."""
    mended = time.monotonic()
    wanted = load.so_far(lambda t: t.logins) + LOGINS
    pulse = load.pulse

    def quiet() -> bool:
        now = time.monotonic()
        return (
            now - max(pulse.last_unavailable, mended) > QUIET
            and load.so_far(lambda t: t.logins) >= wanted
            and (by is None or by in pulse.by_channel)
        )

    wait_until(quiet, RECOVERY)
    first = pulse.by_channel[by] if by is not None else mended
    return max(0.0, pulse.last_unavailable - mended, first - mended)


def _settled(world: World) -> Usage:
    """What processes hold once the callers have gone."""
    time.sleep(0.3)
    return world.usage()


def _compare(row: Row, ledger: Ledger, before: Usage, after: Usage) -> None:
    row.memory = (before.memory >> 20, after.memory >> 20)
    row.files = (before.files, after.files)
    if after.files > before.files + MORE_FILES:
        ledger.error(f"open files grew from {before.files} to {after.files}")
    if after.memory > before.memory + MORE_MEMORY:
        ledger.error(f"memory grew from {before.memory >> 20} to {after.memory >> 20} MiB")


def check(world: World, ledger: Ledger, terms: Terms) -> None:
    """Compare everything that was acknowledged with what there is."""
    may_expire = "challenge_not_found" in terms.ended
    wait_until(world.is_ready, 30)
    with ThreadPoolExecutor(CHECKERS, initializer=_own_api, initargs=[world.url]) as pool:
        challenges = {c for code in ledger.codes for c in code.tried} | ledger.guessed
        ends = [end for end in pool.map(_how_it_ended, sorted(challenges)) if end.there or not may_expire]
        ledger.judge_challenges({end.challenge: end.approved_by for end in ends})
        users = sorted(set(ledger.enrolled) | set(ledger.contacts))
        for user, found in zip(users, pool.map(_what_a_user_has, users), strict=True):
            contacts = found["contacts"] if user in ledger.contacts else None
            ledger.judge_user(user, [factor["id"] for factor in found["factors"]], contacts)
        for channel in ("backup_code", "totp"):
            used = [code for code in ledger.codes if code.used and code.channel == channel]
            list(pool.map(lambda code: _replay(_local.api, ledger, code), used[-REPLAYS:]))
    present = modes(world.stack.api)
    for country in list(ledger.modes):
        ledger.judge_mode(country, present.get(country))


def replay(api: Api, ledger: Ledger, codes: list[Code]) -> None:
    """Used codes must be good for nothing."""
    for code in codes:
        _replay(api, ledger, code)


def _replay(api: Api, ledger: Ledger, code: Code) -> None:
    challenge = api.start(code.user, channels=[code.channel])
    answer = api.verify(challenge["id"], code.text)
    assert answer.status_code == 200, answer.text
    ledger.judge_replay(code, valid=answer.json()["valid"])


_local = threading.local()  # each checking thread's own connection


def _own_api(url: str) -> None:
    _local.api = Api(url)


class _End(NamedTuple):
    """How a challenge ended, and whether it is there at all: one that was never stored approves nobody."""

    challenge: str
    approved_by: str | None
    there: bool = True


def _how_it_ended(challenge: str) -> _End:
    answer = _local.api("GET", f"/v1/challenges/{challenge}")
    if answer.status_code == 404:
        return _End(challenge, None, there=False)
    assert answer.status_code == 200, answer.text
    return _End(challenge, answer.json().get("approved_by"))


def _what_a_user_has(user: str) -> dict[str, Any]:
    answer = _local.api("GET", f"/v1/users/{user}/factors")
    assert answer.status_code == 200, answer.text
    return answer.json()
