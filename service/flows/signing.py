"""A new key for proofs: soon, while what is signed stays good; or at once, since the one before leaked."""

from collections.abc import Callable
from typing import NamedTuple

from service.domain.audit import AuditEntry, Who
from service.domain.codes import RandomBytes
from service.domain.errors import StateConflict
from service.domain.signing import SigningKeys
from service.flows.proofs import pair
from service.store.signing import SigningStore

_TRIES = 10


class Turn(NamedTuple):
    """A key's turn. `made`: now; otherwise it was waiting already. `signs_from` in ms."""

    kid: str
    signs_from: int
    published: tuple[str, ...]
    made: bool


class RotateSigningKey:
    """Puts a new key in its place; every process takes it by itself."""

    def __init__(self, keys: SigningStore, *, clock: Callable[[], int], random_bytes: RandomBytes) -> None:
        self._keys = keys
        self._clock = clock
        self._random_bytes = random_bytes

    def __call__(self, who: Who, *, reason: str | None = None, at_once: bool = False) -> Turn:
        """Make a key, unless one waits for its turn and there is no haste; noted in the audit trail.

        Args:
            who: who does it.
            reason: why, in the operator's words.
            at_once: it signs from now on, and proofs of every other key are good for nothing.

        Raises:
            StateConflict: others kept changing the keys.
            StoreUnavailable: Redis can't be reached; then nothing was changed, or all of it.
        """
        for _ in range(_TRIES):
            now, present = self._clock(), self._keys.load()
            if not at_once and present.waiting(now) is not None:
                return _turn(present, now, made=False)
            seed = self._random_bytes(32)
            fresh = present.revoked(seed, now) if at_once else present.rotated(seed, now)
            turn = _turn(fresh, now, made=True)
            entry = AuditEntry(
                at=now,
                actor=who.actor,
                origin=who.origin,
                action="proofs.revoke" if at_once else "proofs.rotate",
                target=turn.kid,
                reason=reason,
                before={"keys": _kids(present, now)},
                after={"keys": turn.published, "signs_from": turn.signs_from},
            )
            if self._keys.save(fresh, entry):
                return turn
        raise StateConflict("Others kept changing the signing keys.", retry_after=1)


def _turn(keys: SigningKeys, now: int, *, made: bool) -> Turn:
    newest = keys.keys[-1]
    return Turn(pair(newest).kid, newest.signs_from, _kids(keys, now), made)


def _kids(keys: SigningKeys, now: int) -> tuple[str, ...]:
    return tuple(pair(key).kid for key in keys.published(now))
