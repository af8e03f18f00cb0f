"""Blocks of phone numbers in Redis: how many messages go there, and whether anybody answers.

By the keyed hash of the block, in slots of their own.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from service.domain import toll_fraud
from service.domain.limits import PREFIX, Rate
from service.store import keys
from service.store.connections import Command
from service.store.redis import SCRIPTS, Store, call


class Suspect(Struct, frozen=True, kw_only=True):
    """A block in which toll fraud is suspected. Times in ms."""

    block: str
    country: str
    hashed: str
    since: int
    until: int


class Judgement(NamedTuple):
    """Whether a message may go to a block: `ok`, `suspected` or `fast`; and seconds until it may."""

    outcome: str
    wait: int = 0


class BlockStore:
    """What is known of blocks of numbers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def send_command(
        self, hashed: str, now: int, rate: Rate | None, *, healthy: bool, told: dict[str, Any]
    ) -> Command:
        """The command that counts a message to a block before it is sent; `judged` reads its answer.

        Args:
            hashed: the block's keyed hash.
            now: ms.
            rate: how many may go there.
            healthy: whether its route is, so that silence is the block's own.
            told: what the event says if it is suspected by this.
        """
        limit, window = _of(rate)
        return call(
            SCRIPTS["block_send"],
            [*self._names(hashed), keys.rate(PREFIX, hashed), keys.outbox(hashed[:2])],
            [
                *(now, int(healthy), toll_fraud.SUSPECT_AFTER, toll_fraud.MATURE, toll_fraud.REMEMBERED),
                *(toll_fraud.SUSPECTED, toll_fraud.SUSPECTED_AT_MOST, limit, window),
                msgspec.json.encode({**told, "hashed": hashed, "sends": toll_fraud.SUSPECT_AFTER}),
            ],
        )

    def unsend_command(self, hashed: str, now: int, counted_at: int, rate: Rate | None) -> Command:
        """The command that takes a count back: nothing was sent."""
        names = [keys.block_sends(hashed), keys.rate(PREFIX, hashed)]
        return call(SCRIPTS["block_unsend"], names, [now, counted_at, *_of(rate)])

    def answered(self, hashes: Iterable[str]) -> None:
        """Somebody in each of these blocks got in."""
        commands: list[Command] = [
            ("LPOP", keys.block_sends(hashed), toll_fraud.EACH_CONVERSION) for hashed in hashes
        ]
        self._store.batch(commands)

    def note(self, suspects: Sequence[Suspect]) -> None:
        """List suspected blocks."""
        self._store.batch([("HSET", keys.HEALTH_SUSPECTS, s.block, msgspec.json.encode(s)) for s in suspects])

    def suspects(self, now: int) -> list[Suspect]:
        """Those that are suspected now, newest first; the others are forgotten."""
        (answer,) = self._store.batch([("HGETALL", keys.HEALTH_SUSPECTS)])
        found = [msgspec.json.decode(raw, type=Suspect) for raw in answer.values()]
        over = [s.block for s in found if s.until <= now]
        if over:
            self._store.batch([("HDEL", keys.HEALTH_SUSPECTS, *over)])
        return sorted((s for s in found if s.until > now), key=lambda s: -s.since)

    def clear(self, suspect: Suspect) -> None:
        """It was none."""
        self._store.batch(
            [("DEL", name) for name in self._names(suspect.hashed)]
            + [("HDEL", keys.HEALTH_SUSPECTS, suspect.block)]
        )

    def until(self, hashed: str) -> int:
        """Until when (ms) a block is suspected; 0: it is not."""
        (raw,) = self._store.batch([("HGET", keys.block_state(hashed), "u")])
        return int(raw or 0)

    def _names(self, hashed: str) -> list[str]:
        return [keys.block_sends(hashed), keys.block_state(hashed)]


def judged(answer: Sequence[Any]) -> Judgement:
    """What `block_send.lua` says."""
    outcome, *wait = answer
    return Judgement(outcome.decode(), -(-int(wait[0]) // 1000) if wait else 0)


def _of(rate: Rate | None) -> tuple[int, int]:
    return (rate.limit, rate.window * 1000) if rate is not None else (0, 0)
