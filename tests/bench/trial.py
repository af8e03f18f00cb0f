"""The whole benchmark: what is measured, in order, as rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench import operations
from tests.bench.goals import Row
from tests.bench.operations import PROVIDER_SECONDS, START_OPEN, START_SMS, Compared, Driver
from tests.bench.prepare import open_core
from tests.bench.sizes import Sizes
from tests.bench.startup import startup
from tests.bench.trips import round_trips
from tests.bench.world import World, running

OF_FLOOR = 0.5
MEMORY = 120.0  # MiB
STARTS = 400.0  # a second
SMS_P99 = 1.0  # seconds
SMS_ADDED = 15.0  # ms
PROBES = 2.0  # a second, of one open route
DRIVEN = (operations.EMAIL, operations.BACKUP, operations.TOTP, operations.START)


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes:
        sizes: numbers of enrolled users, ascending; all else is measured with the last one.
        rounds: of each operation.
        seconds: a round.
        workers: web processes, of the product and of the floor.

    """

    sizes: Sequence[int]
    rounds: int = 5
    seconds: float = 4.0
    workers: int = 2


@dataclass
class Trial:
    """One run. `say` is told what is being done, `loaded` how many users there are, of how many."""

    plan: Plan
    say: Callable[[str], None]
    loaded: Callable[[int, int], None]
    rows: list[Row] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Measure everything."""
        self.say("starting and stopping")
        self.rows += startup()
        self.say("starting the floor and the product")
        with running(self.plan.workers) as world:
            core = open_core(world.env)
            driver = Driver(world, core, users=0, seconds=self.plan.seconds, say=self.say)
            sizes = Sizes(world, core, driver, rounds=self.plan.rounds)
            for users in self.plan.sizes:
                self.rows += sizes.grow(users, lambda done, users=users: self.loaded(done, users))
            for operation in DRIVEN:
                self.say(f"counting round trips: {operation.name}")
                self.rows.append(round_trips(driver, operation))
            for operation in DRIVEN:
                self._compare(driver, operation)
            self._sms(driver)
            self._open(driver)
            self._memory(world)

    def _compare(self, driver: Driver, operation: operations.Operation) -> None:
        compared = driver.compare(operation, self.plan.rounds)
        self.rows.append(
            Row(
                operation.name,
                "of the floor's rate",
                compared.ratio,
                "x",
                least=OF_FLOOR,
                more=_more(compared),
            )
        )
        self.facts.setdefault("cpu", {})[operation.name] = compared.cpu_median

    def _sms(self, driver: Driver) -> None:
        self.say(f"starts over SMS, the provider taking {PROVIDER_SECONDS * 1000:.0f} ms")
        driver.set_mode("primary_only")
        driver.drive(START_SMS)  # connections to the provider are open now
        rounds = [
            driver.drive(START_SMS, seconds=max(5.0, self.plan.seconds)) for _ in range(self.plan.rounds)
        ]
        best = max((one.measured for one in rounds), key=lambda one: one.rate)
        added = min((one.measured.median - PROVIDER_SECONDS) * 1000 for one in rounds)
        more = f"the best of {len(rounds)} rounds, {START_SMS.connections} callers"
        self.rows += [
            Row(START_SMS.name, "starts a second", best.rate, "/s", least=STARTS, more=more),
            Row(START_SMS.name, "99 in 100 within", best.p99, "s", most=SMS_P99, more=more),
            Row(
                START_SMS.name, "added to the provider's time, median", added, "ms", most=SMS_ADDED, more=more
            ),
        ]
        self.facts.setdefault("cpu", {})[START_SMS.name] = rounds[-1].cpu

    def _open(self, driver: Driver) -> None:
        self.say("opening the route")
        driver.set_mode("auto")
        driver.open_route()
        before = driver.world.provider_calls()
        compared = driver.compare(START_OPEN, self.plan.rounds)
        calls = driver.world.provider_calls() - before
        seconds = sum(one.duration for one in compared.rounds)
        self.rows += [
            Row(
                START_OPEN.name,
                "of the floor's rate",
                compared.ratio,
                "x",
                least=OF_FLOOR,
                more=_more(compared),
            ),
            Row(START_OPEN.name, "calls of the provider", calls / seconds, "/s", most=PROBES, more="probes"),
        ]

    def _memory(self, world: World) -> None:
        """What a web worker holds after all that; its part of what is shared with others (PSS)."""
        held = max((process.memory_full_info() for process in world.web_workers()), key=lambda one: one.pss)
        more = f"{held.rss / 2**20:.0f} MiB with all that it shares"
        self.rows.append(
            Row("web worker", "memory after all that", held.pss / 2**20, "MiB", most=MEMORY, more=more)
        )


def _more(compared: Compared) -> str:
    ratios = compared.ratios
    return f"{compared.rate:.0f}/s, median {compared.median * 1000:.1f} ms; {min(ratios):.2f} to {max(ratios):.2f}"
