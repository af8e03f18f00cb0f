"""Reading the audit trail, and noting deeds that change nothing kept beside it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from service.domain.audit import AuditEntry, ChainedEntry, Verdict, Who, verify
from service.store.audit import AuditStore


class Audit:
    """The trail."""

    def __init__(self, store: AuditStore, *, key: bytes, clock: Callable[[], int]) -> None:
        self._store = store
        self._key = key
        self._clock = clock

    def note(
        self, who: Who, action: str, target: str | None = None, *, reason: str | None = None, **states: Any
    ) -> None:
        """Note a deed. `states`: `before` and `after`."""
        self._store.record(
            AuditEntry(
                at=self._clock(),
                actor=who.actor,
                origin=who.origin,
                action=action,
                target=target,
                reason=reason,
                **states,
            )
        )

    def newest(self, limit: int, before: str | None = None) -> list[dict[str, Any]]:
        """The newest entries, newest first."""
        return [as_shown(entry) for entry in self._store.newest(limit, before)]

    def export(self) -> Iterator[dict[str, Any]]:
        """The whole trail, oldest first."""
        return map(as_shown, self._store.oldest_first())

    def verify(self) -> Verdict:
        """Whether nothing was changed, removed or put in by somebody without the key."""
        head = self._store.head()
        return verify(self._key, self._store.oldest_first(), head)


def as_shown(entry: ChainedEntry) -> dict[str, Any]:
    """An entry as its readers see it."""
    return {"id": entry.id, **json.loads(entry.text), "hash": entry.hash}
