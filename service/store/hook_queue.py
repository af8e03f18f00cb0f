"""What receivers are still to be told: of each a set of lanes by when they are due, each lane a list.

A receiver is a webhook, or a place that alerts go to. Lanes are told side by side, a lane's messages one
after the other, so that what happened to one challenge is told in order and a slow one holds up no other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from service.domain.webhooks import Message
from service.store import keys
from service.store.redis import SCRIPTS, Store, call

MOST_WAITING = 100_000  # messages per receiver: there is no other memory than Redis
AT_ONCE = 500  # messages per script
LEASE = 60_000  # ms; longer than telling a receiver takes
FAILURES_THAT_PAUSE = 5  # in a row, over all lanes
FIRST_PAUSE, LONGEST_PAUSE = 30_000, 3_600_000  # ms; doubles with each probe that fails
DEAD_KEPT, DEAD_FOR = 10_000, 30 * 86_400_000  # per receiver, about; ms


class Queued(NamedTuple):
    """A message to put into a queue.

    Attributes:
        receiver: whose.
        lane: what it is told in order with.
        message: what is told.
        partition: where in the outbox it was read; empty: it comes from elsewhere.
        entry: likewise.
        hurry: look at the lane now, though it waits for another try.
        once: what must not be told again for a time; empty: tell it.
        once_until: until then (ms).

    """

    receiver: str
    lane: str
    message: Message
    partition: str = ""
    entry: str = ""
    hurry: bool = False
    once: str = ""
    once_until: int = 0


class Claimed(NamedTuple):
    """The first message of a lane, as it stands there."""

    receiver: str
    lane: str
    raw: bytes

    @property
    def message(self) -> Message:
        """What is to be told."""
        return msgspec.json.decode(self.raw, type=Message)


class DeliveryState(Struct, frozen=True, kw_only=True):
    """How telling a receiver goes. Times in ms; `last_status` an HTTP status or a word."""

    waiting: int
    dead: int
    failures: int = 0
    failing_since: int | None = None
    last_status: str | None = None
    last_success_at: int | None = None
    paused_until: int | None = None


class DeadLetter(NamedTuple):
    """A message that was given up. `at` in ms, `id` its place among the dead."""

    id: str
    lane: str
    message: Message
    status: str
    at: int


class HookQueue:
    """The queues of all receivers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, reader: str, queued: Sequence[Queued], now: int) -> int:
        """Queue messages; those of outbox entries that this reader queued before are passed over.

        An entry's messages must be given together, and entries in their order.

        Returns:
            How many were refused since too many wait for their receivers.
        """
        refused = 0
        for batch in _whole_entries(queued):
            names = [keys.hook_read(reader), keys.HOOK_WAITING, keys.HOOK_ONCE]
            args: list[Any] = [now, MOST_WAITING, LEASE]
            for one in batch:
                names += (keys.hook_lanes(one.receiver), keys.hook_lane(one.receiver, one.lane))
                args += (one.partition, one.entry, one.receiver, one.lane, msgspec.json.encode(one.message))
                args += ("1" if one.hurry else "", f"{one.receiver} {one.once}" if one.once else "")
                args.append(one.once_until)
            refused += int(self._store.run(SCRIPTS["hook_enqueue"], names, args))
        return refused

    def claim(self, wanted: Mapping[str, int], now: int) -> list[Claimed]:
        """Lanes that are due, taken for `LEASE`. `wanted`: of each receiver, how many at most."""
        receivers = [receiver for receiver, most in wanted.items() if most > 0]
        if not receivers:
            return []
        script = SCRIPTS["hook_claim"]
        answers = self._store.batch(
            [
                call(script, [keys.hook_lanes(r), keys.hook_state(r)], [now, LEASE, wanted[r]])
                for r in receivers
            ]
        )
        taken = [
            (receiver, lane.decode())
            for receiver, lanes in zip(receivers, answers, strict=True)
            for lane in lanes
        ]
        if not taken:
            return []
        heads = self._store.batch([("LINDEX", keys.hook_lane(*one), 0) for one in taken])
        return [Claimed(*one, raw) for one, raw in zip(taken, heads, strict=True) if raw is not None]

    def delivered(self, claimed: Claimed, now: int, *, status: str) -> Claimed | None:
        """It was taken. Returns the lane's next message, claimed too."""
        return self._settle(claimed, "delivered", now, status=status)

    def skipped(self, claimed: Claimed, now: int) -> Claimed | None:
        """It need not be told any more. Returns the lane's next message, claimed too."""
        return self._settle(claimed, "skipped", now)

    def again(self, claimed: Claimed, now: int, *, due: int) -> None:
        """Look at it again later; that is no failure."""
        self._settle(claimed, "again", now, due=due)

    def failed(self, claimed: Claimed, now: int, *, due: int, after: Message, status: str) -> None:
        """It was not taken; to be tried again."""
        self._settle(claimed, "retry", now, due=due, after=after, status=status)

    def died(self, claimed: Claimed, now: int, *, after: Message, status: str) -> Claimed | None:
        """It was not taken, and is given up. Returns the lane's next message, claimed too."""
        return self._settle(claimed, "dead", now, after=after, status=status)

    def _settle(
        self,
        claimed: Claimed,
        what: Literal["delivered", "skipped", "again", "retry", "dead"],
        now: int,
        *,
        due: int = 0,
        after: Message | None = None,
        status: str = "",
    ) -> Claimed | None:
        receiver, lane, raw = claimed
        names = [keys.hook_lanes(receiver), keys.hook_lane(receiver, lane), keys.HOOK_WAITING]
        names += [keys.hook_state(receiver), keys.hook_dead(receiver)]
        args: list[Any] = [what, receiver, lane, raw, now, LEASE, due]
        args += [msgspec.json.encode(after) if after is not None else "", status]
        args += [FAILURES_THAT_PAUSE, FIRST_PAUSE, LONGEST_PAUSE, DEAD_KEPT, DEAD_FOR]
        following = self._store.run(SCRIPTS["hook_settle"], names, args)
        return Claimed(receiver, lane, following) if following is not None else None

    def states(self, receivers: Sequence[str]) -> list[DeliveryState]:
        """How telling each of them goes."""
        answers = iter(
            self._store.batch(
                [
                    command
                    for receiver in receivers
                    for command in (
                        ("HGETALL", keys.hook_state(receiver)),
                        ("HGET", keys.HOOK_WAITING, receiver),
                        ("XLEN", keys.hook_dead(receiver)),
                    )
                ]
            )
            if receivers
            else ()
        )
        return [_state(*parts) for parts in zip(answers, answers, answers, strict=True)]

    def told_at(self, receiver: str, names: Sequence[str]) -> list[int | None]:
        """When the receiver was told last of some things (ms), as noted."""
        (answer,) = self._store.batch([("HMGET", keys.hook_told(receiver), *names)])
        return [int(raw) if raw is not None else None for raw in answer]

    def note_told(self, receiver: str, times: Mapping[str, int | None]) -> None:
        """Note when it was told; `None`: need not be known any more."""
        name = keys.hook_told(receiver)
        self._store.batch(
            [("HDEL", name, of) if at is None else ("HSET", name, of, at) for of, at in times.items()]
        )

    def receivers(self) -> list[str]:
        """Everybody for whom something was ever queued, and who was not forgotten since."""
        (answer,) = self._store.batch([("HKEYS", keys.HOOK_WAITING)])
        return [receiver.decode() for receiver in answer]

    def dead(self, receiver: str, limit: int, before: str | None = None) -> list[DeadLetter]:
        """Messages that were given up, newest first, before the one with an id."""
        end = f"({before}" if before else "+"
        (entries,) = self._store.batch([("XREVRANGE", keys.hook_dead(receiver), end, "-", "COUNT", limit)])
        return list(map(_dead_letter, entries))

    def oldest_dead(self, receiver: str, limit: int, after: str | None = None) -> list[DeadLetter]:
        """Likewise, oldest first, after the one with an id."""
        start = f"({after}" if after else "-"
        (entries,) = self._store.batch([("XRANGE", keys.hook_dead(receiver), start, "+", "COUNT", limit)])
        return list(map(_dead_letter, entries))

    def dead_by_id(self, receiver: str, ids: Iterable[str]) -> list[DeadLetter]:
        """Those of them that are there."""
        commands = [("XRANGE", keys.hook_dead(receiver), entry, entry) for entry in ids]
        answers = self._store.batch(commands) if commands else []
        return [_dead_letter(entry) for entries in answers for entry in entries]

    def revive(self, receiver: str, letter: DeadLetter, now: int) -> bool | None:
        """Put a dead letter back; whether it was still there, `None`: too many wait."""
        lane = letter.lane
        names = [keys.hook_dead(receiver), keys.HOOK_WAITING, keys.hook_lanes(receiver)]
        reply = self._store.run(
            SCRIPTS["hook_replay"],
            [*names, keys.hook_lane(receiver, lane)],
            [letter.id, receiver, lane, msgspec.json.encode(letter.message), now, MOST_WAITING],
        )
        return None if reply < 0 else bool(reply)

    def probe_now(self, receiver: str, now: int) -> None:
        """End its pause: somebody says that it works again. What is due first is its probe."""
        (paused,) = self._store.batch([("HEXISTS", keys.hook_state(receiver), "pause")])
        if paused:
            self._store.batch([("HSET", keys.hook_state(receiver), "paused_until", now)])

    def forget(self, receiver: str) -> None:
        """Drop all that waits for a receiver, and all that is known of it."""
        while True:
            (lanes,) = self._store.batch([("ZRANGE", keys.hook_lanes(receiver), 0, AT_ONCE - 1)])
            if not lanes:
                break
            names = [keys.hook_lane(receiver, lane.decode()) for lane in lanes]
            self._store.batch([("UNLINK", *names), ("ZREM", keys.hook_lanes(receiver), *lanes)])
        self._store.batch(
            [
                ("UNLINK", *(name(receiver) for name in (keys.hook_state, keys.hook_dead, keys.hook_told))),
                ("HDEL", keys.HOOK_WAITING, receiver),
            ]
        )


def _whole_entries(queued: Sequence[Queued]) -> Iterable[Sequence[Queued]]:
    """Batches of about `AT_ONCE`; the messages of one outbox entry are never parted."""
    batch: list[Queued] = []
    for one in queued:
        same = bool(batch) and one.entry != "" and batch[-1][3:5] == one[3:5]
        if len(batch) >= AT_ONCE and not same:
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def _state(raw: Mapping[bytes, bytes], waiting: bytes | None, dead: int) -> DeliveryState:
    fields = {name.decode(): value.decode() for name, value in raw.items()}
    numbers = {
        name: int(fields[name])
        for name in ("failures", "failing_since", "last_success_at", "paused_until")
        if name in fields
    }
    return DeliveryState(
        waiting=int(waiting or 0), dead=dead, last_status=fields.get("last_status"), **numbers
    )


def _dead_letter(raw: tuple[bytes, dict[bytes, bytes]]) -> DeadLetter:
    entry, fields = raw
    return DeadLetter(
        entry.decode(),
        fields[b"lane"].decode(),
        msgspec.json.decode(fields[b"message"], type=Message),
        fields[b"status"].decode(),
        int(fields[b"at"]),
    )
