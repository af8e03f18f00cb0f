"""Webhooks in Redis: one hash; they are few."""

import msgspec

from service.domain.audit import AuditEntry
from service.domain.webhooks import Webhook
from service.store import keys
from service.store.audit import AuditStore, Write
from service.store.redis import Store
from service.store.sealing import Sealer


class WebhookStore:
    """The webhooks of one installation."""

    def __init__(self, store: Store, audit: AuditStore, sealer: Sealer) -> None:
        self._store = store
        self._audit = audit
        self._sealer = sealer

    def all(self) -> list[Webhook]:
        """Every webhook, oldest first."""
        (answer,) = self._store.batch([("HGETALL", keys.WEBHOOKS)])
        found = [msgspec.json.decode(raw, type=Webhook) for raw in answer.values()]
        return sorted(found, key=lambda webhook: (webhook.created_at, webhook.id))

    def get(self, webhook_id: str) -> Webhook | None:
        """One of them."""
        (raw,) = self._store.batch([("HGET", keys.WEBHOOKS, webhook_id)])
        return msgspec.json.decode(raw, type=Webhook) if raw else None

    def save(self, webhook: Webhook, *, expected: int, entry: AuditEntry) -> bool:
        """Store it in place of the version expected, 0: none. Returns whether that was there."""
        write = Write(keys.WEBHOOKS, webhook.id, msgspec.json.encode(webhook), expected)
        return self._audit.record(entry, write=write)

    def remove(self, webhook: Webhook, *, entry: AuditEntry) -> bool:
        """Remove it, if it still has this version. Returns whether it did."""
        write = Write(keys.WEBHOOKS, webhook.id, None, webhook.version)
        return self._audit.record(entry, write=write)

    def note(self, entry: AuditEntry) -> None:
        """Note a deed that changes no webhook."""
        self._audit.record(entry)

    def seal(self, webhook_id: str, secret: str) -> str:
        """A secret as it stands in a record."""
        return self._sealer.seal(secret.encode(), keys.webhook_secret(webhook_id))

    def open(self, webhook_id: str, sealed: str) -> str:
        """A secret. Raises `KeyUnusable`."""
        return self._sealer.open(sealed, keys.webhook_secret(webhook_id)).decode()
