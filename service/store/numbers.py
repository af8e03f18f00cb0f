"""Phone numbers in Redis: sends used up at Twilio, and numbers that can't be reached.

These are kept by number, not by user, so they live in slots of their own: a call of their own.
"""

from typing import NamedTuple

import msgspec

from service.domain.channels import Channel
from service.domain.events import Event
from service.store import keys
from service.store.redis import SCRIPTS, Store

VERIFICATION_LIFE = 600_000  # ms that a Twilio verification lives
SENDS_PER_VERIFICATION = 5
REPORT_MEMORY = 86_400_000  # ms during which a report that comes again is known
CARRIER_MEMORY = 30 * 86_400_000  # ms; numbers are ported now and then


class Reservation(NamedTuple):
    """Whether a send may be made: `ok`, `undeliverable` (and why) or `exhausted`."""

    outcome: str
    why: str | None = None
    carrier: str | None = None


class NumberStore:
    """What is remembered of phone numbers, by their keyed hash."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reserve_send(self, number_key: str, channel: Channel) -> Reservation:
        """Count a send before it is made, unless it would be in vain."""
        reply = self._store.run(
            SCRIPTS["reserve_send"],
            [keys.number(number_key), keys.undeliverable(number_key, channel), keys.carrier(number_key)],
            [SENDS_PER_VERIFICATION, VERIFICATION_LIFE],
        )
        outcome, *more = (part.decode() for part in reply)
        if outcome == "ok":
            return Reservation(outcome, carrier=more[0] if more else None)
        return Reservation(outcome, *more)

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

    def send_failed(self, number_key: str) -> None:
        """A reserved send did not go out."""
        self._store.run(SCRIPTS["settle_send"], [keys.number(number_key)], ["", VERIFICATION_LIFE, ""])

    def remember_undeliverable(self, number_key: str, channel: Channel, code: str, seconds: int) -> None:
        """Do not try this number by this channel for a while."""
        self._store.batch([("SET", keys.undeliverable(number_key, channel), code, "EX", seconds)])

    def verification_over(self, number_key: str) -> None:
        """Twilio's verification of this number ended: the next send starts another."""
        self._store.batch([("DEL", keys.number(number_key))])
