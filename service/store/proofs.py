"""Proofs that were used up: each is good for one login where the application asks for that."""

from service.store import keys
from service.store.redis import Store


class UsedProofs:
    """Marks of used proofs, by their challenge; kept as long as a proof of it could be shown."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def is_used(self, challenge_id: str) -> bool:
        """Whether it was used up. Raises `StoreUnavailable`."""
        (found,) = self._store.batch([("EXISTS", keys.used_proof(challenge_id))])
        return bool(found)

    def use(self, challenge_id: str, life: int) -> bool:
        """Use it up; `life` in ms. Of many at once one is told yes; on disk when it returns."""
        command = ("SET", keys.used_proof(challenge_id), 1, "NX", "PX", life)
        (done,) = self._store.batch([command], durable=True)
        return bool(done)
