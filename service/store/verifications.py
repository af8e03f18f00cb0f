"""Which challenge a number or address that a caller named is being verified by."""

from typing import NamedTuple

from service.store import keys
from service.store.redis import SCRIPTS, Store


class Pointer(NamedTuple):
    """The challenge that it leads to, since when (ms); and as it is kept, to be replaced."""

    challenge_id: str
    since: int
    raw: str


class VerificationStore:
    """Pointers of all applications. Each is a hint: the challenge says whether it is still pending."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, hashed: str) -> Pointer | None:
        """Where the keyed hash of a number or address leads."""
        (raw,) = self._store.batch([("GET", keys.verification(hashed))])
        if raw is None:
            return None
        challenge_id, _, since = raw.decode().partition(" ")
        return Pointer(challenge_id, int(since), raw.decode())

    def claim(
        self, hashed: str, former: Pointer | None, challenge_id: str, now: int, ttl: int
    ) -> Pointer | None:
        """Let it lead to a challenge about to be begun; `None`: somebody else was faster. `ttl` in ms."""
        raw = f"{challenge_id} {now}"
        done = self._point(hashed, former.raw if former else "", raw, ttl)
        return Pointer(challenge_id, now, raw) if done else None

    def release(self, hashed: str, claimed: Pointer) -> None:
        """It was not begun."""
        self._point(hashed, claimed.raw, "", 0)

    def _point(self, hashed: str, expected: str, raw: str, ttl: int) -> bool:
        return bool(self._store.run(SCRIPTS["point"], [keys.verification(hashed)], [expected, raw, ttl]))
