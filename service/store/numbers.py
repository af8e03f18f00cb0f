"""Phone numbers in Redis: sends used up at Twilio, and numbers that can't be reached.

These are kept by number, not by user, so they live in slots of their own: a call of their own.
"""

from typing import NamedTuple

from service.domain.channels import Channel
from service.store import keys
from service.store.redis import SCRIPTS, Store

VERIFICATION_LIFE = 600_000  # ms that a Twilio verification lives
SENDS_PER_VERIFICATION = 5


class Reservation(NamedTuple):
    """Whether a send may be made: `ok`, `undeliverable` (and why) or `exhausted`."""

    outcome: str
    why: str | None = None


class NumberStore:
    """What is remembered of phone numbers, by their keyed hash."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def reserve_send(self, number_key: str, channel: Channel) -> Reservation:
        """Count a send before it is made, unless it would be in vain."""
        reply = self._store.run(
            SCRIPTS["reserve_send"],
            [keys.number(number_key), keys.undeliverable(number_key, channel)],
            [SENDS_PER_VERIFICATION, VERIFICATION_LIFE],
        )
        return Reservation(*(part.decode() for part in reply))

    def send_accepted(self, number_key: str, verification: str) -> None:
        """A send went out, as part of this verification."""
        self._store.run(SCRIPTS["settle_send"], [keys.number(number_key)], [verification, VERIFICATION_LIFE])

    def send_failed(self, number_key: str) -> None:
        """A reserved send did not go out."""
        self._store.run(SCRIPTS["settle_send"], [keys.number(number_key)], ["", VERIFICATION_LIFE])

    def remember_undeliverable(self, number_key: str, channel: Channel, code: str, seconds: int) -> None:
        """Do not try this number by this channel for a while."""
        self._store.batch([("SET", keys.undeliverable(number_key, channel), code, "EX", seconds)])

    def verification_over(self, number_key: str) -> None:
        """Twilio's verification of this number ended: the next send starts another."""
        self._store.batch([("DEL", keys.number(number_key))])
