"""Wrong codes in a row, by user; `lib.lua` counts them."""

from typing import NamedTuple

from service.store import keys
from service.store.redis import Store

NEVER = 2**53  # as in `lib.lua`


class FailuresInRow(NamedTuple):
    """How many there are, until when (ms) nothing is compared, and whether that is for good."""

    number: int = 0
    held_until: int = 0

    @property
    def locked(self) -> bool:
        """Whether only a backup code or an operator helps."""
        return self.held_until >= NEVER


class FailureStore:
    """Of all users. What a network address has to wait besides is over within the hour by itself."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, user_key: str) -> FailuresInRow:
        """Those of a user."""
        (found,) = self._store.batch([("HMGET", keys.failures(user_key), "n", "t")])
        return FailuresInRow(*(int(value or 0) for value in found))

    def forget(self, user_key: str) -> FailuresInRow:
        """Let a user begin anew. Returns what there was."""
        before = self.of(user_key)
        self._store.batch([("DEL", keys.failures(user_key))], durable=True)
        return before
