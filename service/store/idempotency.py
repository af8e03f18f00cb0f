"""Answers remembered by `Idempotency-Key`, sealed: some of them hold secrets."""

from typing import NamedTuple

from service.store import keys
from service.store.redis import SCRIPTS, Store
from service.store.sealing import Sealer

LIFE = 3_600_000  # ms that an answer is remembered
LEASE = 60_000  # ms after which a request that never finished may be repeated


class Claim(NamedTuple):
    """What became of a key: `claimed`, `reused`, `running`, or `done` with the answer."""

    outcome: str
    answer: bytes | None = None


class IdempotencyStore:
    """Remembered answers of all applications."""

    def __init__(self, store: Store, sealer: Sealer, name_key: bytes) -> None:
        self._store = store
        self._sealer = sealer
        self._name_key = name_key

    def hash(self, *parts: str) -> str:
        """A keyed hash, for keys and fingerprints."""
        return keys.keyed_hash(self._name_key, "idempotency", *parts)

    def claim(self, key_hash: str, fingerprint: str) -> Claim:
        """Claim a key for a request that starts now."""
        reply = self._store.run(SCRIPTS["idempotency"], [keys.idempotency(key_hash)], [fingerprint, LEASE])
        if reply[0] == b"done":
            return Claim("done", self._sealer.open(reply[1].decode(), keys.idempotency(key_hash)))
        return Claim(reply[0].decode())

    def finish(self, key_hash: str, fingerprint: str, answer: bytes) -> None:
        """Remember the answer."""
        name = keys.idempotency(key_hash)
        value = f"{fingerprint}\n{self._sealer.seal(answer, name)}"
        self._store.batch([("SET", name, value, "PX", LIFE)])

    def release(self, key_hash: str) -> None:
        """Forget the claim: the request failed in a way that trying again may mend."""
        self._store.batch([("DEL", keys.idempotency(key_hash))])
