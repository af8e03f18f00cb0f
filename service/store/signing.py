"""The keys that sign proofs, kept sealed beside the audit trail, with a short cache in each process.

Until the first rotation there is no record, and the keyring's seed is the only key: what versions before
rotation wrote opens as it is.
"""

import time
from collections.abc import Callable

import msgspec

from service.domain.audit import AuditEntry
from service.domain.errors import StoreUnavailable
from service.domain.signing import SigningKey, SigningKeys
from service.store import keys
from service.store.audit import AuditStore, Write
from service.store.redis import Store
from service.store.sealing import Sealer

CACHE_SECONDS = 5.0  # how long a process may go on with keys that were replaced
_FIELD = "proofs"


class _Record(msgspec.Struct):
    """As stored: `z` is the list of keys, sealed."""

    version: int
    z: str


class SigningStore:
    """The signing keys of one installation."""

    def __init__(
        self,
        store: Store,
        audit: AuditStore,
        sealer: Sealer,
        first: bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._audit = audit
        self._sealer = sealer
        self._first = SigningKeys((SigningKey(first),))
        self._monotonic = monotonic
        self._cached: tuple[float, SigningKeys] | None = None

    def recent(self) -> SigningKeys:
        """The keys, at most `CACHE_SECONDS` old; older ones while Redis is away, when nothing is approved.

        Raises:
            KeyUnusable: they are sealed under a key that is not configured.
            StoreUnavailable: Redis can't be reached and was not before.
        """
        if self._cached is not None and self._monotonic() < self._cached[0]:
            return self._cached[1]
        try:
            found = self.load()
        except StoreUnavailable:
            if self._cached is None:
                raise
            return self._cached[1]
        self._cached = (self._monotonic() + CACHE_SECONDS, found)
        return found

    def load(self) -> SigningKeys:
        """The keys as they are now. Raises `KeyUnusable`, `StoreUnavailable`."""
        record = self._read()
        if record is None:
            return self._first
        listed = self._sealer.open(record.z, keys.SIGNING)
        return SigningKeys(msgspec.json.decode(listed, type=tuple[SigningKey, ...]), record.version)

    def save(self, fresh: SigningKeys, entry: AuditEntry) -> bool:
        """Store them and note it, if the version before is still there; on disk when it returns.

        Returns:
            Whether they were stored.
        """
        return self._audit.record(entry, write=self._write(fresh, fresh.version - 1))

    def reseal(self) -> None:
        """Seal them again unless they are under the present master key."""
        while (record := self._read()) is not None and not self._sealer.is_current(record.z):
            present = self.load()
            fresh = SigningKeys(present.keys, present.version + 1)
            self._audit.change(self._write(fresh, present.version))

    def _read(self) -> _Record | None:
        (raw,) = self._store.batch([("HGET", keys.SIGNING, _FIELD)])
        return msgspec.json.decode(raw, type=_Record) if raw else None

    def _write(self, fresh: SigningKeys, expected: int) -> Write:
        sealed = self._sealer.seal(msgspec.json.encode(fresh.keys), keys.SIGNING)
        return Write(keys.SIGNING, _FIELD, msgspec.json.encode(_Record(fresh.version, sealed)), expected)
