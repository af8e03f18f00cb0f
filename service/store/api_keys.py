"""API keys in Redis, found by the keyed hash of the key; the key itself is nowhere."""

import base64
import time
from collections.abc import Callable

import msgspec

from service.domain.api_keys import ApiKey, Scope
from service.domain.codes import RandomBytes
from service.store import keys
from service.store.redis import Store

PREFIX = "otpk_"  # lets secret scanners find a leaked key (RFC 8959 has the idea)
SECRET_BYTES = 32
CACHE_SECONDS = 5.0  # how long a revoked key may still work
CACHE_SIZE = 10_000


class ApiKeyStore:
    """The keys of all applications, with a short cache of the known ones in each process."""

    def __init__(
        self, store: Store, name_key: bytes, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._name_key = name_key
        self._monotonic = monotonic
        self._cache: dict[str, tuple[float, ApiKey]] = {}

    def find(self, presented: str) -> ApiKey | None:
        """The key that was presented, or `None`. Unknown ones are not cached, so a new key works at once."""
        return self.by_hash(self.hashed(presented))

    def by_hash(self, hashed: str) -> ApiKey | None:
        """As `find`, by what stands for a key."""
        cached = self._cache.get(hashed)
        if cached is not None and self._monotonic() < cached[0]:
            return cached[1]
        (raw,) = self._store.batch([("HGET", keys.API_KEYS, hashed)])
        if raw is None:
            self._cache.pop(hashed, None)
            return None
        found = msgspec.json.decode(raw, type=ApiKey)
        if len(self._cache) >= CACHE_SIZE:
            self._cache.clear()
        self._cache[hashed] = (self._monotonic() + CACHE_SECONDS, found)
        return found

    def create(
        self,
        *,
        name: str,
        application: str,
        scopes: frozenset[Scope],
        now: int,
        random_bytes: RandomBytes,
        secret: str | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key, or admit a given one. Returns its record and the key, which can't be had again."""
        if secret is None:
            secret = PREFIX + base64.urlsafe_b64encode(random_bytes(SECRET_BYTES)).decode().rstrip("=")
        hashed = self.hashed(secret)
        record = ApiKey(f"key_{hashed[2:14]}", name, application, scopes, now)
        self._store.batch([("HSETNX", keys.API_KEYS, hashed, msgspec.json.encode(record))], durable=True)
        return record, secret

    def all(self) -> list[ApiKey]:
        """Every key, oldest first."""
        (answer,) = self._store.batch([("HGETALL", keys.API_KEYS)])
        found = [msgspec.json.decode(raw, type=ApiKey) for raw in answer.values()]
        return sorted(found, key=lambda key: (key.created_at, key.id))

    def revoke(self, key_id: str) -> bool:
        """Revoke by id; processes that cached it forget it within `CACHE_SECONDS`."""
        (answer,) = self._store.batch([("HGETALL", keys.API_KEYS)])
        for field, raw in answer.items():
            if msgspec.json.decode(raw, type=ApiKey).id == key_id:
                self._store.batch([("HDEL", keys.API_KEYS, field)], durable=True)
                return True
        return False

    def hashed(self, presented: str) -> str:
        """The keyed hash that stands for a key."""
        return keys.keyed_hash(self._name_key, "api key", presented)
