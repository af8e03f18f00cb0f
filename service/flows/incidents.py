"""Incidents: opened and resolved by the breakers' transitions, told about by operators."""

import hashlib
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from service.domain.audit import AuditEntry, Who
from service.domain.errors import FieldFault, InvalidInput, NotFound, StateConflict
from service.domain.events import Event
from service.domain.health.provider import is_down
from service.domain.incidents import Incident, Progress
from service.store.health import HealthStore, OutboxEvent
from service.store.incidents import KEPT, IncidentStore
from service.telemetry import logs, metrics

_TRIES = 5
_TRANSITIONS = {"provider.circuit_open", "provider.circuit_half_open", "provider.circuit_closed"}
_log = logs.get("incidents")


class TrackIncidents:
    """Keeps incidents. One is open per provider at most: what happens to its routes is one story."""

    def __init__(self, incidents: IncidentStore, health: HealthStore, *, clock: Callable[[], int]) -> None:
        self._incidents = incidents
        self._health = health
        self._clock = clock

    def note(self, events: Sequence[OutboxEvent]) -> None:
        """The deciding worker's part: fill the timeline. What was counted in before is passed over."""
        for event in events:
            if event.type in _TRANSITIONS:
                self._transition(event)

    def all(self) -> list[Incident]:
        """Every incident that is kept, newest first."""
        return self._incidents.all()

    def get(self, incident_id: str) -> Incident:
        """One of them. Raises `NotFound`."""
        incident = self._incidents.get(incident_id)
        if incident is None:
            raise NotFound("incident")
        return incident

    def update(
        self, incident_id: str, text: str, who: Who, *, public: bool, status: Progress | None
    ) -> Incident:
        """Say something about an incident.

        Args:
            incident_id: which.
            text: what.
            who: says it.
            public: whether users see it on the status page.
            status: how far things are, by that; `resolved` ends it by hand.

        Raises:
            NotFound: there is none.
            InvalidInput: it is over, and `status` says that it is not.
        """
        for _ in range(_TRIES):
            before = self.get(incident_id)
            if before.resolved_at and status not in (None, "resolved"):
                raise InvalidInput(FieldFault("status", "this incident is over; leave it out to add words"))
            now = self._clock()
            after = before.said(text, who.actor, now, public=public, status=status)
            if status == "resolved" and not before.resolved_at:
                after = replace(after, resolved_at=now, troubled={})
            entry = AuditEntry(
                at=now,
                actor=who.actor,
                origin=who.origin,
                action="incident.update",
                target=incident_id,
                reason=text,
                before={"status": before.status},
                after={"status": after.status, "public": public},
            )
            kind = "incident.resolved" if after.resolved_at and not before.resolved_at else "incident.updated"
            event = _event(kind, after, now, text=text if public else None)
            if self._incidents.save(after, expected=before.version, event=event, entry=entry):
                return after
        raise StateConflict("Others kept changing this incident.", retry_after=1)

    def _transition(self, event: OutboxEvent) -> None:
        route, to, reason = event.data["route"], event.data["to"], event.data["reason"]
        provider, position = route.partition("/")[0], tuple(int(part) for part in event.entry.split("-"))
        for _ in range(_TRIES):
            incidents = self._incidents.all()
            if any(position <= incident.seen for incident in incidents if incident.provider == provider):
                return
            present = next((i for i in incidents if i.provider == provider and not i.resolved_at), None)
            if present is None and to != "open":
                return  # resolved by hand before
            if present is None:
                after = Incident.begun(_id(provider, event.entry), provider, route, reason, event.at)
                kind = "incident.opened"
            else:
                after = present.route_changed(route, to, reason, event.at)
                kind = "incident.resolved" if after.resolved_at else "incident.updated"
            if to == "open" and self._is_down(provider):
                after = after.worsened(event.at)
            after = replace(after, seen=position)
            expected = present.version if present else 0
            worsened = present is not None and after.impact != present.impact
            told = _event(kind, after, event.at, worsened=worsened)
            if self._incidents.save(after, expected=expected, event=told):
                level = _log.info if kind == "incident.updated" else _log.error
                if kind != "incident.updated":
                    metrics.INCIDENTS.labels(provider, kind.removeprefix("incident.")).inc()
                level(kind, incident=after.id, provider=provider, impact=after.impact, route=route, to=to)
                old = [i for i in incidents if i.resolved_at and i.resolved_at < event.at - KEPT]
                self._incidents.forget(old)
                return

    def _is_down(self, provider: str) -> bool:
        states = self._health.states()
        return is_down(
            (state.state, state.evidence.sends)
            for name, state in states.items()
            if name.startswith(f"{provider}/") and name.count("/") == 2
        )


def _event(
    kind: str, incident: Incident, at: int, *, worsened: bool = False, text: str | None = None
) -> Event:
    """What the outbox tells; `text`: what an operator says to everybody."""
    told: dict[str, object] = {
        "id": incident.id,
        "provider": incident.provider,
        "status": incident.status,
        "impact": incident.impact,
        "routes": sorted(incident.troubled),
        "since": incident.opened_at,
        "worsened": worsened,
        "version": incident.version,
    }
    if text is not None:
        told["text"] = text
    return Event(kind, at, told)


def _id(provider: str, entry: str) -> str:
    """The same for the same beginning, whoever notes it, so that noting it twice makes one incident."""
    return f"inc_{hashlib.blake2b(f'{provider} {entry}'.encode(), digest_size=9).hexdigest()}"
