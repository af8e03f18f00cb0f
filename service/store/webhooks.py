"""Webhooks in Redis: one hash; they are few."""

import msgspec
from msgspec.structs import replace

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

    def reseal(self) -> None:
        """Seal every secret again that is not under the present master key."""
        while old := [webhook for webhook in self.all() if not self._is_current(webhook)]:
            for webhook in old:
                former = self.open(webhook.id, webhook.former) if webhook.former else None
                fresh = replace(
                    webhook,
                    secret=self.seal(webhook.id, self.open(webhook.id, webhook.secret)),
                    former=self.seal(webhook.id, former) if former else None,
                    version=webhook.version + 1,
                )
                value = msgspec.json.encode(fresh)
                self._audit.change(Write(keys.WEBHOOKS, webhook.id, value, webhook.version))

    def _is_current(self, webhook: Webhook) -> bool:
        return all(self._sealer.is_current(text) for text in (webhook.secret, webhook.former) if text)

    def seal(self, webhook_id: str, secret: str) -> str:
        """A secret as it stands in a record."""
        return self._sealer.seal(secret.encode(), keys.webhook_secret(webhook_id))

    def open(self, webhook_id: str, sealed: str) -> str:
        """A secret. Raises `KeyUnusable`."""
        return self._sealer.open(sealed, keys.webhook_secret(webhook_id)).decode()
