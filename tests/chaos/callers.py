"""Logins that go on through everything: users enrol, start, mistype, race and get in, as users do."""

import itertools
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pyotp
import requests

from tests.chaos.ledger import Code, Ledger, Wish
from tests.support.stack import Api, Sandbox

PAUSE = 0.05  # seconds after an answer that could not be given
WRONG_BACKUP = "AAAA-AAAA-AAAA-AAAA"
# Mobile numbers of several countries, spread so that no limit of one number or country is in the way.
NUMBERS = ("+1415555{:04d}", "+4915112{:06d}", "+3361234{:04d}", "+447400{:06d}", "+346123{:05d}")
NUMBERS += ("+9198765{:05d}",)
MODE_COUNTRIES = ("+299", "+298", "+297", "+677", "+678", "+679", "+682", "+685")  # nobody logs in there
_serial = itertools.count(random.SystemRandom().randrange(2000))


class Unserved(Exception):
    """It could not be answered, and that was said in the right way; it may have been done or not."""


@dataclass(frozen=True)
class Terms:
    """What a trial takes as a right answer, beside right ones and 503s.

    Attributes:
        patience: seconds within which every answer must come.
        breaks: connections to the service may break: its processes are killed.
        ended: stable codes of errors by which a challenge may be over before its time.
        wrong_clock: codes of apps may be refused, since the service's clock is not theirs.
        journeys: the kinds of logins that are made.
    """

    patience: float = 6.0
    breaks: bool = False
    ended: frozenset[str] = frozenset()
    wrong_clock: bool = False
    journeys: tuple[str, ...] = ("app", "backup_code", "message", "mail", "mode")


@dataclass
class Tally:
    """Counts of one phase."""

    requests: int = 0
    unavailable: int = 0
    broken: int = 0
    logins: int = 0
    slowest: float = 0.0


@dataclass
class Pulse:
    """What all callers share: counts of the present phase, and when something last was unavailable."""

    tally: Tally = field(default_factory=Tally)
    phases: dict[str, Tally] = field(default_factory=dict)
    last_unavailable: float = 0.0
    by_channel: dict[str, float] = field(default_factory=dict)  # when somebody first got in by it, in it
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, phase: str) -> None:
        with self.lock:
            self.tally = self.phases[phase] = Tally()
            self.by_channel = {}

    def counts_in(self, began_in: Tally) -> Tally:
        """Where a request counts: in the trouble that it fell into, or began in."""
        return self.tally if began_in is self.phases["before"] else began_in


class Caller:
    """One thread's logins, each of a new user."""

    def __init__(
        self, url: str, sandbox: Sandbox, number: int, ledger: Ledger, pulse: Pulse, terms: Terms
    ) -> None:
        self._sandbox = sandbox
        self._ledger, self._pulse, self._terms = ledger, pulse, terms
        self._random = random.Random(number)
        self._country = MODE_COUNTRIES[number % len(MODE_COUNTRIES)]
        self._apis = [Api(url) for _ in range(3)]  # a session is a connection; three race
        self._racers = ThreadPoolExecutor(len(self._apis))

    def work(self, stop: threading.Event) -> None:
        """Log in until told to stop."""
        turns = itertools.cycle(self._random.sample(self._terms.journeys, len(self._terms.journeys)))
        while not stop.is_set():
            user = f"user-{next(_serial)}@chaos.example"
            try:
                getattr(self, f"_by_{next(turns)}")(user)
            except Unserved:
                stop.wait(PAUSE)
            except Exception as error:  # noqa: BLE001 - told at the end
                self._ledger.error(f"{user}: {error!r}")
        self._racers.shutdown()

    # Journeys

    def _by_app(self, user: str) -> None:
        app, _ = self._enroll(user)
        first, second = self._start(user), self._start(user)
        self._guess(first, _not(app))
        code = self._ledger.code("totp", user, app.now())
        self._race(code, [first, first, second])

    def _by_backup_code(self, user: str) -> None:
        _, codes = self._enroll(user)
        first, second = self._start(user), self._start(user)
        self._guess(first, WRONG_BACKUP)
        code = self._ledger.code("backup_code", user, self._random.choice(codes))
        self._race(code, [first, second, first])

    def _by_message(self, user: str) -> None:
        """By SMS, or whatever else it is switched to."""
        phone, email = _phone(self._random), _email(user)
        self._answer_prompt(user, self._start(user, phone=phone, email=email), phone, email)

    def _by_mail(self, user: str) -> None:
        """By e-mail first, to an address that is kept; by app when that does not work."""
        app, _ = self._enroll(user)
        email = _email(user)
        self._put_contacts(user, email)
        challenge = self._start(user, channels=["email", "totp"])
        self._answer_prompt(user, challenge, None, email, app)
        self._put_contacts(user, f"new.{email}")

    def _by_mode(self, _user: str) -> None:
        """An operator's turn: the mode of a country of their own."""
        wish, mode = self._ledger.modes[self._country], self._random.choice(("fallback", "auto"))
        place = wish.ask(mode)
        body = {"mode": mode, "country": self._country, "reason": "chaos"}
        self._ask("PUT", "/v1/ops/mode", body)
        wish.acknowledged = place

    # Their steps

    def _enroll(self, user: str) -> tuple[pyotp.TOTP, list[str]]:
        begun = self._ask("POST", "/v1/enrollments", {"user_id": user})
        app = pyotp.TOTP(begun["secret"])
        path = f"/v1/enrollments/{begun['id']}/confirm"
        while True:
            now = time.time()  # the code is of the step before, so that the present one is unused
            done = self._ask("POST", path, {"code": app.at(now - 30)}, also={"invalid_request"})
            if done:
                break
            if self._terms.wrong_clock:
                raise Unserved
            if now // 30 == time.time() // 30:
                self._ledger.error(f"{user}: a right code did not confirm the app")
                raise Unserved
        self._ledger.enrolled[user] = done["factor"]["id"]
        return app, done["backup_codes"]

    def _put_contacts(self, user: str, email: str) -> None:
        wish = self._ledger.contacts[user]
        place = wish.ask(_masked(email))
        told = self._ask("PUT", f"/v1/users/{user}/contacts", {"email": email})
        if told["email"] != _masked(email):
            self._ledger.error(f"{user}: contacts answered as {told['email']}")
        wish.acknowledged = place

    def _start(self, user: str, **fields: Any) -> dict[str, Any]:
        return self._ask("POST", "/v1/challenges", {"user_id": user, **fields})

    def _answer_prompt(
        self,
        user: str,
        challenge: dict[str, Any],
        phone: str | None,
        email: str,
        app: pyotp.TOTP | None = None,
    ) -> None:
        channel = challenge["channel"]
        if self._has_probe(challenge, phone):
            channel = "sms"
        match channel:
            case "totp" if app is not None:
                text = app.now()
            case "sms" | "email":
                to = phone if channel == "sms" else email
                found = self._sandbox.messages(to=to, channel=channel, wait=3)
                text = next((message["code"] for message in found if message["code"]), None)
            case _:
                text = None
        if text is None:
            self._ledger.error(f"{user}: prompted by {channel}, and nothing came: {challenge['channels']}")
            return
        self._guess(challenge, _not(app, text))
        code = self._ledger.code(channel, user, text)
        self._race(code, [challenge] * 3)

    def _has_probe(self, challenge: dict[str, Any], phone: str | None) -> bool:
        """Whether a text came as well, to see whether its route is back: some users look at their phone."""
        entry = next((e for e in challenge["channels"] if e["channel"] == "sms"), {})
        if entry.get("reason") != "circuit_open" or self._random.random() < 0.5:
            return False
        later = self._ask("GET", f"/v1/challenges/{challenge['id']}?wait=1", None)
        return "sms" in later["accepts"] and bool(self._sandbox.messages(to=phone, channel="sms"))

    def _guess(self, challenge: dict[str, Any], wrong: str) -> None:
        self._ledger.guessing(challenge["id"])
        if self._verify(self._apis[0], challenge["id"], wrong):
            self._ledger.guessed_right(challenge["id"])

    def _race(self, code: Code, challenges: Sequence[dict[str, Any]]) -> None:
        """Give one right code several times at once. One gets in, unless something could not be asked."""

        def give(api: Api, challenge: dict[str, Any]) -> bool | None:
            self._ledger.trying(code, challenge["id"])
            try:
                valid = self._verify(api, challenge["id"], code.text)
            except Unserved:
                code.unknown = True
                return None
            self._ledger.answered(code, challenge["id"], valid=bool(valid))
            return valid

        answers = list(self._racers.map(give, self._apis, challenges))
        if code.used:
            with self._pulse.lock:
                self._pulse.tally.logins += 1
                self._pulse.by_channel.setdefault(code.channel, time.monotonic())
        elif not code.unknown and not (self._terms.wrong_clock and code.channel == "totp"):
            self._ledger.error(f"{code.user}: a right {code.channel} code was refused: {answers}")

    def _verify(self, api: Api, challenge: str, code: str) -> bool:
        """Whether a code was taken; one that comes too late was not."""
        path = f"/v1/challenges/{challenge}/verify"
        answer = self._ask(
            "POST", path, {"code": code}, api, also={"challenge_approved", "attempts_in_flight"}
        )
        return bool(answer.get("valid"))

    def _ask(
        self, method: str, path: str, body: Any, api: Api | None = None, also: set[str] | None = None
    ) -> dict[str, Any]:
        """A right answer, `{}` for one of the errors in `also`. Raises `Unserved`."""
        began, phase = time.monotonic(), self._pulse.tally
        try:
            answer = (api or self._apis[0])(method, path, body)
        except requests.RequestException as error:
            with self._pulse.lock:
                tally = self._pulse.counts_in(phase)
                tally.requests += 1
                tally.broken += 1
            if not self._terms.breaks:
                self._ledger.error(f"{method} {_shape(path)}: {type(error).__name__}")
            raise Unserved from None
        took = time.monotonic() - began
        unavailable = answer.status_code == 503
        with self._pulse.lock:
            tally = self._pulse.counts_in(phase)
            tally.requests += 1
            tally.unavailable += unavailable
            tally.slowest = max(tally.slowest, took)
            if unavailable:
                self._pulse.last_unavailable = time.monotonic()
        if took > self._terms.patience:
            self._ledger.error(f"{method} {_shape(path)}: answered after {took:.1f} s")
        return self._read(answer, f"{method} {_shape(path)}", also or set())

    def _read(self, answer: requests.Response, what: str, also: set[str]) -> dict[str, Any]:
        if answer.status_code in (200, 201):
            found: dict[str, Any] = answer.json()
            return found
        told = answer.json() if answer.headers["Content-Type"] == "application/problem+json" else {}
        code = told.get("code", "?")
        if answer.status_code == 503:
            if code not in ("store_unavailable", "check_unavailable"):
                self._ledger.error(f"{what}: 503 {code}")
            if not answer.headers.get("Retry-After", "").isdigit():
                self._ledger.error(f"{what}: 503 {code} without Retry-After")
            raise Unserved
        if code in also:
            return {}
        if code in self._terms.ended or code == "state_conflict":
            raise Unserved
        self._ledger.error(f"{what}: {answer.status_code} {answer.text[:200]}")
        raise Unserved


class Load:
    """Callers at work."""

    def __init__(self, url: str, sandbox: Sandbox, terms: Terms, *, callers: int) -> None:
        self.ledger, self.pulse = Ledger(), Pulse()
        for country, mode in modes(Api(url)).items():  # of a trial before this one
            self.ledger.modes[country] = Wish([mode])
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(
                target=Caller(url, sandbox, number, self.ledger, self.pulse, terms).work, args=[self._stop]
            )
            for number in range(callers)
        ]
        self.pulse.begin("before")
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let everybody finish what they are at."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                self.ledger.error("a caller hangs")

    def so_far(self, count: Callable[[Tally], int]) -> int:
        """A sum over all phases."""
        with self.pulse.lock:
            return sum(count(tally) for tally in self.pulse.phases.values())


def modes(api: Api) -> dict[str, str]:
    """What is set for whole countries."""
    settings = api("GET", "/v1/ops/mode").json()["settings"]
    return {m["country"]: m["mode"] for m in settings if m["country"] and m["application"] is None}


def _phone(random_: random.Random) -> str:
    form = random_.choice(NUMBERS)
    digits = int(form[-3])
    return form.format(next(_serial) % 10**digits)


def _email(user: str) -> str:
    """An address whose masked form is nobody else's."""
    return f"box@{user.partition('@')[0]}.mail.example"


def _not(app: pyotp.TOTP | None, right: str = "") -> str:
    """Six digits that are none of the right codes."""
    now = time.time()
    taken = {right} | ({app.at(now + 30 * step) for step in (-2, -1, 0, 1, 2)} if app else set())
    return next(text for n in range(9) if (text := f"{n:06d}") not in taken)


def _masked(email: str) -> str:
    return f"{email[0]}***@{email.partition('@')[2]}"


def _shape(path: str) -> str:
    """A path without what is anybody's."""
    return "/".join(part if len(part) < 20 and "@" not in part else "…" for part in path.split("/"))
