"""Blocks of phone numbers in Redis: how many messages go there, and how many numbers answer.

By the keyed hash of the block, in slots of their own. Numbers are counted, not messages: nobody can have a
whole block suspected by what goes to one phone.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from service.domain import toll_fraud
from service.domain.limits import PREFIX, Rate
from service.store import keys
from service.store.connections import Command
from service.store.health import HealthStore
from service.store.redis import SCRIPTS, Store, call


class Suspect(Struct, frozen=True, kw_only=True):
    """A block in which toll fraud is suspected. Times in ms."""

    block: str
    country: str
    hashed: str
    since: int
    until: int


class Judgement(NamedTuple):
    """Whether a message may go to a block.

    Attributes:
        outcome: `ok`, `suspected` or `fast`: there were too many in a while.
        wait: seconds until there may be one.
        counted: its number was counted by this, as one that has not answered yet.
        fraud: it looks like toll fraud, if its route is healthy.

    """

    outcome: str
    wait: int = 0
    counted: bool = False
    fraud: bool = False


class BlockStore:
    """What is known of blocks of numbers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._health = HealthStore(store)

    def send_command(self, hashed: str, number: str, now: int, rate: Rate | None) -> Command:
        """The command that counts a message to a block before it is sent; `judged` reads its answer."""
        names = [keys.block_sends(hashed), keys.block_answers(hashed), keys.block_state(hashed)]
        known = (toll_fraud.SUSPECT_AFTER, toll_fraud.MATURE, toll_fraud.REMEMBERED, toll_fraud.ONE_IN)
        return call(
            SCRIPTS["block_send"], [*names, keys.rate(PREFIX, hashed)], [number, now, *known, *_of(rate)]
        )

    def unsend_command(self, hashed: str, number: str | None, now: int, rate: Rate | None) -> Command:
        """The command that takes a count back: nothing was sent. `number`: unless it was counted before."""
        names = [keys.block_sends(hashed), keys.rate(PREFIX, hashed)]
        return call(SCRIPTS["block_unsend"], names, [number or "", now, *_of(rate)])

    def answered_commands(self, hashed: str, number: str, now: int, *, by_phone: bool) -> list[Command]:
        """The commands that note that somebody got in; the same again changes nothing.

        Args:
            hashed: the block's keyed hash.
            number: the number's.
            now: ms.
            by_phone: by the code that was sent there; otherwise it speaks for this number alone.
        """
        commands: list[Command] = [("ZREM", keys.block_sends(hashed), number)]
        if by_phone:
            answers = keys.block_answers(hashed)
            commands += [("ZADD", answers, now, number), ("PEXPIRE", answers, toll_fraud.REMEMBERED)]
        return commands

    def suspect(self, hashed: str, route: str, now: int, told: dict[str, Any]) -> int:
        """Suspect a block, if its route is healthy and somebody watches over that.

        Args:
            hashed: the block's keyed hash.
            route: of the message that made it look like fraud.
            now: ms.
            told: what the event says.

        Returns:
            Seconds for which nothing is sent there; 0: it is not suspected.
        """
        states, _, deciding = self._health.overview()
        state = states.get(route)
        if not deciding or (state is not None and (state.state != "closed" or state.share < 1.0)):
            return 0  # in an outage nobody answers either, and without a worker nobody would know of one
        life = self._store.run(
            SCRIPTS["block_suspect"],
            [keys.block_sends(hashed), keys.block_state(hashed), keys.outbox(hashed[:2])],
            [
                *(now, toll_fraud.SUSPECTED, toll_fraud.SUSPECTED_AT_MOST),
                msgspec.json.encode({**told, "hashed": hashed, "numbers": toll_fraud.SUSPECT_AFTER}),
            ],
        )
        return -(-int(life) // 1000)

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
        names = (keys.block_sends(suspect.hashed), keys.block_state(suspect.hashed))
        self._store.batch([("DEL", name) for name in names] + [("HDEL", keys.HEALTH_SUSPECTS, suspect.block)])

    def until(self, hashed: str) -> int:
        """Until when (ms) a block is suspected; 0: it is not."""
        (raw,) = self._store.batch([("HGET", keys.block_state(hashed), "u")])
        return int(raw or 0)


def judged(answer: Sequence[Any]) -> Judgement:
    """What `block_send.lua` says."""
    outcome, *more = answer
    if outcome == b"ok":
        return Judgement("ok", counted=bool(more[0]), fraud=bool(more[1]))
    return Judgement(outcome.decode(), -(-int(more[0]) // 1000))


def _of(rate: Rate | None) -> tuple[int, int]:
    return (rate.limit, rate.window * 1000) if rate is not None else (0, 0)
