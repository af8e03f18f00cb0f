"""What is driven, what must have come of it, and how it is compared with the floor."""

import json
import secrets
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import requests

from service.core import Core
from service.domain.channels import Channel
from tests.bench import prepare
from tests.bench.world import API_KEY, World, wait_for
from tests.bench.wrk import Measured, RoundFailed, TooFew, drive

CONNECTIONS = 64
MORE = 1.6  # times as many requests as the last round used are prepared
FIRST_GUESS = 1500.0  # requests a second, before there was a round
ROUTE = "twilio_verify/sms/+1"
PROVIDER_SECONDS = 0.3


@dataclass(frozen=True)
class Operation:
    """One kind of request.

    Attributes:
        name: what the table calls it.
        lines: makes the requests, from numbers of users that had none of this kind yet.
        metric: counts what must have happened: one a request.
        labels: of that metric.
        trips: round trips to Redis that the design allows.
        fresh_users: each request needs a user of its own; others do with few, over and over.
        connections: how many callers wait at any time.
        settles: seconds until those that were under way at the end of a round are done.
        pause: seconds that a caller waits before a request, on average.

    """

    name: str
    lines: Callable[[Core, Sequence[int]], Iterator[str]]
    metric: str
    labels: dict[str, str]
    trips: int
    fresh_users: bool = True
    connections: int = CONNECTIONS
    settles: float = 0.1
    pause: float = 0.0


def _starts(channels: Sequence[Channel] | None) -> Callable[[Core, Sequence[int]], Iterator[str]]:
    return lambda _core, numbers: prepare.starts(numbers, channels)


EMAIL = Operation(
    "verify e-mail code", prepare.email_codes, "otp_approvals_total", {"channel": "email"}, 1, False
)
# It waits for the disk, which is flushed once a second: only many at once say what it costs.
BACKUP = Operation(
    "verify backup code", prepare.backup_codes, "otp_approvals_total", {"channel": "backup_code"}, 1,
    connections=800, settles=1.5,
)  # fmt: skip
TOTP = Operation("verify TOTP code", prepare.totp_codes, "otp_approvals_total", {"channel": "totp"}, 2)
START = Operation(
    "start without a send", _starts([Channel.TOTP]), "otp_challenges_total", {"status": "pending"}, 2, False
)
START_OPEN = Operation(
    "start, route open", _starts(None), "otp_challenges_total", {"status": "pending"}, 2, False
)
START_SMS = Operation(
    "start over SMS", _starts([Channel.SMS]), "otp_sends_total", {"outcome": "sent"}, 0, False,
    connections=280, settles=1.5, pause=PROVIDER_SECONDS,
)  # fmt: skip


class Round(NamedTuple):
    """One round: what wrk saw; for a request, seconds of a core by part, and reads of Redis from its clients."""

    measured: Measured
    cpu: dict[str, float]
    reads: float


@dataclass
class Compared:
    """Rounds of one operation, each with the floor's rate around it; `cpu`: seconds of a core a request."""

    operation: Operation
    rounds: list[Measured] = field(default_factory=list)
    floors: list[float] = field(default_factory=list)
    cpu: list[dict[str, float]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second, the median."""
        return statistics.median(one.rate for one in self.rounds)

    @property
    def ratios(self) -> list[float]:
        """Of each round's rate to the floor's."""
        return [one.rate / floor for one, floor in zip(self.rounds, self.floors, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of them."""
        return statistics.median(self.ratios)

    @property
    def cpu_median(self) -> dict[str, float]:
        """Seconds of a core a request, by part."""
        return {part: statistics.median(one[part] for one in self.cpu) for part in self.cpu[0]}

    @property
    def median(self) -> float:
        """Of the time to answer, seconds."""
        return statistics.median(one.median for one in self.rounds)

    @property
    def p99(self) -> float:
        """The worst of the rounds', seconds."""
        return max(one.p99 for one in self.rounds)


class Driver:
    """Drives operations against a world. `users`: how many are enrolled; each round takes fresh ones."""

    def __init__(
        self, world: World, core: Core, *, users: int, seconds: float, say: Callable[[str], None]
    ) -> None:
        self.world = world
        self.users = users
        self._core = core
        self._redis = world.redis()
        self._seconds = seconds
        self._say = say
        self._next = 0
        self._rates: dict[tuple[str, int], float] = {}

    def compare(self, operation: Operation, rounds: int) -> Compared:
        """The floor, the operation, the floor, the operation, ..., the floor."""
        compared = Compared(operation)
        before = self.floor(operation.connections)
        for turn in range(rounds):
            self._say(f"{operation.name}, round {turn + 1} of {rounds}")
            one = self.drive(operation)
            compared.rounds.append(one.measured)
            compared.cpu.append(one.cpu)
            after = self.floor(operation.connections)
            compared.floors.append((before + after) / 2)
            before = after
        return compared

    def floor(self, connections: int = CONNECTIONS) -> float:
        """The floor's requests a second now."""
        token = secrets.token_hex(4)
        lines = [f"/floor {json.dumps({'code': f'{token}{number}'})}" for number in range(40_000)]
        return drive(
            self.world.floor_url, API_KEY, lines,
            connections=connections, seconds=self._seconds, folder=self.world.folder,
        ).rate  # fmt: skip

    def drive(
        self, operation: Operation, *, connections: int | None = None, seconds: float | None = None
    ) -> Round:
        """One round of an operation. What must have come of each request is looked for.

        Raises:
            RoundFailed: it did not come of all of them.
        """
        seconds, connections = seconds or self._seconds, connections or operation.connections
        rate = self._rates.get((operation.name, connections), FIRST_GUESS)
        while True:
            count = int(rate * seconds * MORE) + 4 * connections
            lines = list(operation.lines(self._core, self._take(count, fresh=operation.fresh_users)))
            before, used = self._counted(operation), self.world.cpu()
            first = self._reads()
            try:
                measured = drive(
                    self.world.url, API_KEY, lines,
                    connections=connections, seconds=seconds, folder=self.world.folder, pause=operation.pause,
                )  # fmt: skip
                break
            except TooFew:
                rate *= 2
        self._rates[operation.name, connections] = measured.rate
        came = self._counted(operation) - before
        reads, total = self._reads() - first - 1, self.world.cpu()  # the last read is that of the question
        # Those under way at the end were done, and are in no number of wrk's.
        if not measured.requests <= came <= measured.requests + connections:
            raise RoundFailed(f"{measured.requests} x {operation.name}, but {came:.0f} came of it")
        return Round(measured, {part: (total[part] - used[part]) / came for part in used}, reads / came)

    def set_mode(self, mode: str) -> None:
        """As an operator: in `primary_only` nobody asks for the routes' health.

        What is sent here is never answered, which would open them.
        """
        self._call("PUT", "/v1/ops/mode", {"mode": mode, "reason": "benchmark"})

    def open_route(self) -> None:
        """Let the provider fail until its route is open."""
        requests.post(f"{self.world.provider_url}/fail", timeout=5).raise_for_status()

        def opened() -> bool:
            self._call("POST", "/v1/challenges", {"user_id": prepare.user_id(self._take(1, fresh=False)[0])})
            routes = self._call("GET", "/v1/ops/health")["routes"]
            return any(route["route"] == ROUTE and route["state"] == "open" for route in routes)

        wait_for(opened)
        time.sleep(0.6)  # what other processes believe of it is half a second old at most

    def _call(self, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        answer = requests.request(method, self.world.url + path, json=body, headers=headers, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def _counted(self, operation: Operation) -> float:
        time.sleep(operation.settles)
        return self.world.counted(operation.metric, **operation.labels)

    def _reads(self) -> int:
        return int(self._redis.info("stats")["total_reads_processed"])

    def _take(self, count: int, *, fresh: bool) -> list[int]:
        """Numbers of users, those first that had no request for longest."""
        if fresh and count > self.users:
            raise RoundFailed(f"a round needs {count} users, and there are {self.users}: see --users")
        numbers = [(self._next + place) % self.users for place in range(count)]
        self._next = (self._next + count) % self.users
        return numbers
