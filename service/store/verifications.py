"""Which challenge a number or address that a caller named is being verified by."""

from typing import NamedTuple

from service.store import keys
from service.store.redis import SCRIPTS, Store


class Pointer(NamedTuple):
    """The challenge that it leads to, since when (ms); and as it is kept, to be replaced.

    `repeats`: how often it was asked for again too soon for another message.
    """

    challenge_id: str
    since: int
    raw: str
    repeats: int = 0


class VerificationStore:
    """Pointers of all applications. Each is a hint: the challenge says whether it is still pending."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, hashed: str) -> Pointer | None:
        """Where the keyed hash of a number or address leads."""
        (raw,) = self._store.batch([("GET", keys.verification(hashed))])
        if raw is None:
            return None
        challenge_id, since, *repeats = raw.decode().split(" ")
        return Pointer(challenge_id, int(since), raw.decode(), *map(int, repeats))

    def claim(
        self, hashed: str, former: Pointer | None, challenge_id: str, now: int, ttl: int
    ) -> Pointer | None:
        """Let it lead to a challenge about to be begun; `None`: somebody else was faster. `ttl` in ms."""
        raw = f"{challenge_id} {now}"
        done = self._point(hashed, former.raw if former else "", raw, ttl)
        return Pointer(challenge_id, now, raw) if done else None

    def count_repeat(self, hashed: str, pointer: Pointer, ttl: int) -> bool:
        """Note that it was asked for once more; whether nobody was faster. `ttl` in ms."""
        raw = f"{pointer.challenge_id} {pointer.since} {pointer.repeats + 1}"
        return self._point(hashed, pointer.raw, raw, ttl)

    def release(self, hashed: str, claimed: Pointer) -> None:
        """It was not begun."""
        self._point(hashed, claimed.raw, "", 0)

    def _point(self, hashed: str, expected: str, raw: str, ttl: int) -> bool:
        return bool(self._store.run(SCRIPTS["point"], [keys.verification(hashed)], [expected, raw, ttl]))
