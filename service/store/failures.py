"""Wrong codes in a row, by user; `lib.lua` counts them."""

from typing import NamedTuple

from service.store import keys
from service.store.connections import Command
from service.store.redis import Store

NEVER = 2**53  # as in `lib.lua`
EPOCH_LIFE = 2 * 86_400_000  # ms; the count of an address lives for a day


class FailuresInRow(NamedTuple):
    """How many there are, until when (ms) nothing is compared, and whether that is for good."""

    number: int = 0
    held_until: int = 0

    @property
    def locked(self) -> bool:
        """Whether only a backup code or an operator helps."""
        return self.held_until >= NEVER


class FailureStore:
    """Of all users."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, user_key: str) -> FailuresInRow:
        """Those of a user."""
        (found,) = self._store.batch([("HMGET", keys.failures(user_key), "n", "t")])
        return FailuresInRow(*(int(value or 0) for value in found))

    def forget(self, user_key: str, now: int) -> FailuresInRow:
        """Let a user begin anew, from whatever network address. Returns what there was.

        A new epoch begins, which voids the counts of addresses; it may be forgotten when those are.
        """
        before, name = self.of(user_key), keys.failures(user_key)
        commands: list[Command] = [
            ("DEL", name),
            ("HSET", name, "e", now),
            ("PEXPIRE", name, EPOCH_LIFE),
        ]
        self._store.batch(commands, durable=True)
        return before
