"""Phone numbers in Redis: sends used up at Twilio, and numbers that can't be reached.

These are kept by number, not by user, so they live in slots of their own: a call of their own.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from service.domain.channels import Channel
from service.domain.events import Event
from service.domain.limits import NUMBER, PHONE, Rate, Standing
from service.domain.toll_fraud import TRUSTED
from service.store import keys
from service.store.blocks import BlockStore, Judgement, judged
from service.store.connections import Command
from service.store.limits import Limit, give_command, take_command, taken
from service.store.redis import SCRIPTS, Store, call

VERIFICATION_LIFE = 600_000  # ms that a Twilio verification lives
SENDS_PER_VERIFICATION = 5
SENDS_PER_ORIGIN = 4  # of those for one network address, so that no other one's owner goes without
REPORT_MEMORY = 86_400_000  # ms during which a report that comes again is known
CARRIER_MEMORY = 30 * 86_400_000  # ms; numbers are ported now and then


class Wanted(NamedTuple):
    """A message that is to be sent to a phone.

    Attributes:
        number: keyed hash of its number.
        block: keyed hash of the block that is in.
        origin: keyed hash of the network address that asked for it, where that is known.
        channel: by what.
        at: ms.
        route: which way.
        told: what is said of the block if it is suspected.

    """

    number: str
    block: str
    origin: str | None
    channel: Channel
    at: int
    route: str
    told: dict[str, Any]


class Reservation(NamedTuple):
    """Whether a message may be sent.

    Attributes:
        outcome: `ok`; `undeliverable` and why; `exhausted`: no more by this verification; `limited`: a limit
            is reached; `suspected`: toll fraud is suspected in its block of numbers.
        why: the provider's code.
        carrier: who carries the number's messages, where known.
        standing: where the number stands with the limit.
        wait: seconds until there may be another.
        judgement: what was said of the block.

    """

    outcome: str
    why: str | None = None
    carrier: str | None = None
    standing: Standing | None = None
    wait: int = 0
    judgement: Judgement = Judgement("ok")


class NumberStore:
    """What is remembered of phone numbers, by their keyed hash.

    Args:
        store: Redis.
        number: how many messages one number may get; half of it from one network address.
        block: how many messages a block of numbers may get.
        total: how many messages all numbers together may get.
    """

    def __init__(
        self,
        store: Store,
        number: Rate | None = None,
        block: Rate | None = None,
        total: Rate | None = None,
    ) -> None:
        self._store = store
        self._number, self._block = number, block
        self._total = Limit(PHONE, keys.EVERYBODY, total) if total is not None else None
        self._blocks = BlockStore(store)

    def reserve_send(self, wanted: Wanted) -> Reservation:
        """Count a message before it is sent, unless it would be in vain or there are too many.

        The number's count, its block's and that of all are in slots of their own, so they are three commands
        of one pipelined call. What one of them refuses, the others take back.
        """
        whole, part = self._rates(wanted)
        commands = [
            call(
                SCRIPTS["reserve_send"],
                [
                    *(keys.number(wanted.number), keys.undeliverable(wanted.number, wanted.channel)),
                    *(keys.carrier(wanted.number), keys.trusted(wanted.number)),
                    *self._rate_names(wanted),
                ],
                [
                    *(SENDS_PER_VERIFICATION, VERIFICATION_LIFE, wanted.at, *whole, *part),
                    *(wanted.origin or "", SENDS_PER_ORIGIN),
                ],
            ),
            self._blocks.send_command(wanted.block, wanted.number, wanted.at, self._block),
        ]
        if self._total is not None:
            commands.append(take_command(self._total, wanted.at))
        reserved, block_answer, *total = self._store.batch(commands)
        found, judgement = self._reservation(reserved), judged(block_answer)
        counted = found.outcome == "ok"
        if counted:
            found = self._judge(found, judgement, wanted, trusted=bool(reserved[2]))
        if found.outcome == "ok" and self._total is not None and not total[0][0]:
            found = _limited(self._total, total[0])
        if found.outcome != "ok":
            self._take_back(wanted, judgement, number=counted, total=bool(total and total[0][0]))
        return found._replace(judgement=judgement)

    def send_failed(self, wanted: Wanted, reservation: Reservation) -> None:
        """A reserved send did not go out."""
        self._take_back(wanted, reservation.judgement, number=True, total=True)

    def _judge(
        self, found: Reservation, judgement: Judgement, wanted: Wanted, *, trusted: bool
    ) -> Reservation:
        """What is said of the block, for a number that has answered before (`trusted`) or not."""
        match judgement.outcome:
            case "fast":
                return Reservation("limited", wait=judgement.wait)
            case "suspected" if not trusted:
                return Reservation("suspected", wait=judgement.wait)
            case "ok" if judgement.fraud and not trusted:
                wait = self._blocks.suspect(wanted.block, wanted.route, wanted.at, wanted.told)
                if wait:
                    return Reservation("suspected", wait=wait)
        return found

    def _take_back(self, wanted: Wanted, judgement: Judgement, *, number: bool, total: bool) -> None:
        commands: list[Command] = []
        if number:
            names = [keys.number(wanted.number), *self._rate_names(wanted)]
            whole, part = self._rates(wanted)
            args = [wanted.at, *whole, *part, wanted.origin or ""]
            commands.append(call(SCRIPTS["unsend"], names, args))
        if judgement.outcome == "ok":
            anew = wanted.number if judgement.counted else None
            commands.append(self._blocks.unsend_command(wanted.block, anew, wanted.at, self._block))
        if total and self._total is not None:
            commands.append(give_command(self._total, wanted.at))
        if commands:
            self._store.batch(commands)

    def _reservation(self, answer: Sequence[Any]) -> Reservation:
        outcome, *more = answer
        match outcome.decode():
            case "ok":
                return Reservation("ok", carrier=more[0].decode() or None)
            case "limited" if self._number is not None:
                return _limited(Limit(NUMBER, "", self._number), more[0])
            case "crowded":
                return Reservation("limited", wait=-(-int(more[0]) // 1000))
            case "undeliverable":
                return Reservation("undeliverable", more[0].decode())
            case other:
                return Reservation(other)

    def _rates(self, wanted: Wanted) -> tuple[tuple[int, int], tuple[int, int]]:
        if self._number is None:
            return (0, 0), (0, 0)
        part = self._number.part()
        window = self._number.window * 1000
        return (self._number.limit, window), (part.limit if wanted.origin else 0, window)

    def _rate_names(self, wanted: Wanted) -> list[str]:
        return [keys.number_rate(wanted.number), keys.number_rate(wanted.number, wanted.origin or "-")]

    def send_accepted(self, number_key: str, verification: str, challenge_id: str) -> None:
        """A send went out for a challenge, as part of this verification."""
        args = [verification, VERIFICATION_LIFE, challenge_id]
        self._store.run(SCRIPTS["settle_send"], [keys.number(number_key)], args)

    def sharers(self, number_key: str, verification: str) -> list[str]:
        """The challenges that were sent a verification's code."""
        (fields,) = self._store.batch([("HGETALL", keys.number(number_key))])
        if fields.get(b"v", b"").decode() != verification:
            return []
        return [name[2:].decode() for name in fields if name.startswith(b"c:")]

    def report(self, number_key: str, report_id: str, carrier: str | None, event: Event) -> bool:
        """Note a delivery report, once: its event for health, and who carries the number.

        Returns:
            Whether it was new.
        """
        reply = self._store.run(
            SCRIPTS["report"],
            [
                keys.report(number_key, report_id),
                keys.outbox(number_key[:2]),
                keys.carrier(number_key),
            ],
            [
                *(REPORT_MEMORY, carrier or "", CARRIER_MEMORY),
                *(event.type, event.at, msgspec.json.encode(event.data)),
            ],
        )
        return bool(reply)

    def remember_undeliverable(self, number_key: str, channel: Channel, code: str, seconds: int) -> None:
        """Do not try this number by this channel for a while."""
        self._store.batch([("SET", keys.undeliverable(number_key, channel), code, "EX", seconds)])

    def verification_over(self, number_key: str) -> None:
        """Twilio's verification of this number ended: the next send starts another."""
        self._store.batch([("DEL", keys.number(number_key))])

    def answered(self, number_key: str, block_key: str, now: int, *, by_phone: bool) -> None:
        """Somebody with this number got in: not one who has messages sent for the money.

        Args:
            number_key: the number's keyed hash.
            block_key: its block's.
            now: ms.
            by_phone: by the code that was sent there; otherwise it speaks for this number alone.
        """
        commands = self._blocks.answered_commands(block_key, number_key, now, by_phone=by_phone)
        if by_phone:
            commands.append(("SET", keys.trusted(number_key), 1, "PX", TRUSTED))
        self._store.batch(commands)


def _limited(limit: Limit, answer: Sequence[int]) -> Reservation:
    found = taken(limit, answer)
    return Reservation("limited", standing=found.standing, wait=found.wait)
