"""Health in Redis: the states that every process reads, and what the deciding worker knows.

One worker at a time decides, by a lease. It saves what it knows together with how far it has read the
outbox, so that the next one goes on from there and counts every event once.
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct, field

from service.domain.drills import Tally
from service.domain.events import Event
from service.domain.health.breaker import State
from service.domain.health.route import Route
from service.domain.traffic import Minute, Traffic
from service.store import keys
from service.store.connections import Command
from service.store.redis import SCRIPTS, Store
from service.store.server import server_time
from service.store.traffic import HOUR, KEPT

LEASE = 3000  # ms without a save after which another worker may decide
FEED_LIFE = 3600  # seconds
READ_AT_ONCE = 500  # events per partition


class Evidence(Struct, frozen=True, kw_only=True):
    """What a route's state rests on: of the last minute, and of the sends of the last 90 s."""

    sends: int = 0
    faults: int = 0
    open: int = 0
    approved: int = 0
    failed: int = 0
    undelivered: int = 0
    baseline: float = 0.0
    statistic: float = 0.0
    threshold: float = 0.0
    warned: bool = False


class RouteState(Struct, frozen=True, kw_only=True):
    """A route as other processes see it. Times in ms."""

    state: State
    since: int
    reason: str
    share: float = 1.0
    next_probe_at: int | None = None
    evidence: Evidence = Evidence()


class Feed(Struct, frozen=True, kw_only=True):
    """What the provider's status page said last. `checked_at` in ms."""

    indicator: str
    description: str
    components: list[str]
    checked_at: int


class Knowledge(Struct, kw_only=True):
    """What the deciding worker knows and counts, and how far it has read each partition's outbox.

    Attributes:
        untold: what was decided with that, while nobody knows whether it stands in the outbox.

    """

    routes: list[Route] = []
    offsets: dict[str, str] = {}
    ticked: float | None = None
    traffic: Traffic = field(default_factory=Traffic)
    untold: list[Event] = []


class _Read(Struct):
    """Of `Knowledge`, how far the outboxes were read."""

    offsets: dict[str, str] = {}


class OutboxEvent(NamedTuple):
    """An event as it stands in the outbox."""

    partition: str
    entry: str
    type: str
    at: int
    data: dict[str, Any]


class HealthStore:
    """States and knowledge."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def load_command(self) -> Command:
        """The command whose answer `decode` reads."""
        return ("HGETALL", keys.HEALTH_STATES)

    def decode(self, answer: Mapping[bytes, bytes]) -> dict[str, RouteState]:
        """Read the states, by route."""
        return {name.decode(): msgspec.json.decode(raw, type=RouteState) for name, raw in answer.items()}

    def states(self) -> dict[str, RouteState]:
        """The states of all routes."""
        (answer,) = self._store.batch([self.load_command()])
        return self.decode(answer)

    def overview(self) -> tuple[dict[str, RouteState], Feed | None, bool]:
        """The states, what the status page says, and whether a worker decides at present."""
        answer, feed, leader = self._store.batch(
            [self.load_command(), ("GET", keys.HEALTH_FEED), ("EXISTS", keys.HEALTH_LEADER)]
        )
        return self.decode(answer), msgspec.json.decode(feed, type=Feed) if feed else None, bool(leader)

    def unread_since(self) -> int | None:
        """When (ms) the oldest event was written that no deciding worker has read; `None`: all are read."""
        (raw,) = self._store.batch([("GET", keys.HEALTH_KNOWLEDGE)])
        offsets = msgspec.json.decode(raw, type=_Read).offsets if raw else {}
        answers = self._store.batch([_unread(partition, offsets, 1) for partition in keys.partitions()])
        return min((int(entry.partition(b"-")[0]) for ((entry, _),) in filter(None, answers)), default=None)

    def save_feed(self, feed: Feed, events: Sequence[Event]) -> None:
        """Publish what the status page says."""
        command = ("SET", keys.HEALTH_FEED, msgspec.json.encode(feed), "EX", FEED_LIFE)
        self._store.batch([command, *(_event_command(event) for event in events)])

    def claim_probe(self, route: str, spacing_ms: int) -> bool:
        """Whether the caller may make a probe now; of all processes, one in `spacing_ms` may."""
        (taken,) = self._store.batch([("SET", f"{keys.HEALTH_PROBE}{route}", 1, "NX", "PX", spacing_ms)])
        return taken is not None

    def lead(self, token: str) -> tuple[Knowledge, dict[str, Tally]] | None:
        """Become the deciding worker if there is none; what the last one knew, and counted of drills."""
        (leads,) = self._store.batch([("SET", keys.HEALTH_LEADER, token, "NX", "PX", LEASE)])
        if leads is None:
            return None
        raw, tallies = self._store.batch([("GET", keys.HEALTH_KNOWLEDGE), ("HGETALL", keys.HEALTH_DRILLS)])
        knowledge = msgspec.json.decode(raw, type=Knowledge) if raw else Knowledge()
        return knowledge, decode_tallies(tallies)

    def save(
        self,
        token: str,
        knowledge: Knowledge,
        states: Mapping[str, RouteState],
        minutes: Mapping[int, Minute] = MappingProxyType({}),
        tallies: Mapping[str, Tally] = MappingProxyType({}),
    ) -> bool:
        """Save and publish. Returns whether the caller still decides; if not, nothing was saved.

        Args:
            token: the caller's.
            knowledge: what the next one goes on from.
            states: of the routes.
            minutes: of the traffic, those that changed.
            tallies: of drills, those that changed.
        """
        hours = sorted({number // HOUR for number in minutes})
        names = [keys.HEALTH_LEADER, keys.HEALTH_KNOWLEDGE, keys.HEALTH_STATES, keys.HEALTH_DRILLS]
        first_hour = len(names) + 1
        args: list[Any] = [token, LEASE, msgspec.json.encode(knowledge)]
        for name, state in states.items():
            args += (3, 0, name, msgspec.json.encode(state))
        for drill_id, tally in tallies.items():
            args += (4, 0, drill_id, msgspec.json.encode(tally))
        for number, minute in minutes.items():
            place = first_hour + hours.index(number // HOUR)
            args += (place, KEPT, number, msgspec.json.encode(minute))
        names += map(keys.health_traffic, hours)
        reply = self._store.run(SCRIPTS["health_save"], names, args)
        return bool(reply)

    def tell(self, events: Sequence[Event]) -> None:
        """Write events of the whole installation."""
        self._store.batch([_event_command(event) for event in events])

    def ends(self) -> dict[str, str]:
        """Where each partition's outbox ends now."""
        return dict.fromkeys(keys.partitions(), f"{server_time(self._store)}-0")

    def read(self, offsets: Mapping[str, str]) -> Iterator[OutboxEvent]:
        """Events since the offsets, in the order in which they were written."""
        partitions = keys.partitions()
        answers = self._store.batch([_unread(partition, offsets, READ_AT_ONCE) for partition in partitions])
        found: list[OutboxEvent] = []
        for partition, entries in zip(partitions, answers, strict=True):
            for entry, fields in entries:
                found.append(
                    OutboxEvent(
                        partition,
                        entry.decode(),
                        fields[b"type"].decode(),
                        int(fields[b"at"]),
                        msgspec.json.decode(fields[b"data"]),
                    )
                )
        found.sort(key=_written)
        yield from found


def decode_tallies(answer: Mapping[bytes, bytes]) -> dict[str, Tally]:
    """Read what came of drills, by id."""
    return {name.decode(): msgspec.json.decode(raw, type=Tally) for name, raw in answer.items()}


def _unread(partition: str, offsets: Mapping[str, str], limit: int) -> Command:
    start = f"({offsets[partition]}" if partition in offsets else "-"
    return ("XRANGE", keys.outbox(partition), start, "+", "COUNT", limit)


def _written(event: OutboxEvent) -> tuple[int, ...]:
    return tuple(int(part) for part in event.entry.split("-"))


def _event_command(event: Event) -> Command:
    data = msgspec.json.encode(event.data)
    return ("XADD", keys.outbox("00"), "*", "type", event.type, "at", event.at, "data", data)
