"""Incidents in Redis: one hash; they are few, and kept for as long as the status page looks back."""

import msgspec

from service.domain.audit import AuditEntry
from service.domain.events import Event
from service.domain.incidents import Incident
from service.store import keys
from service.store.audit import AuditStore, Write
from service.store.redis import Store

KEPT = 92 * 86_400_000  # ms after they are resolved


class IncidentStore:
    """The incidents of one installation."""

    def __init__(self, store: Store, audit: AuditStore) -> None:
        self._store = store
        self._audit = audit

    def all(self) -> list[Incident]:
        """Every incident that is kept, newest first."""
        (answer,) = self._store.batch([("HGETALL", keys.INCIDENTS)])
        found = [msgspec.json.decode(raw, type=Incident) for raw in answer.values()]
        return sorted(found, key=lambda incident: (incident.opened_at, incident.id), reverse=True)

    def get(self, incident_id: str) -> Incident | None:
        """One of them."""
        (raw,) = self._store.batch([("HGET", keys.INCIDENTS, incident_id)])
        return msgspec.json.decode(raw, type=Incident) if raw else None

    def save(
        self, incident: Incident, *, expected: int, event: Event, entry: AuditEntry | None = None
    ) -> bool:
        """Store it in place of the version expected, 0: none. Returns whether that was there."""
        write = Write(keys.INCIDENTS, incident.id, msgspec.json.encode(incident), expected)
        if entry is None:
            return self._audit.change(write, events=[event])
        return self._audit.record(entry, write=write, events=[event])

    def forget(self, incidents: list[Incident]) -> None:
        """Drop them."""
        if incidents:
            self._store.batch([("HDEL", keys.INCIDENTS, *(incident.id for incident in incidents))])
