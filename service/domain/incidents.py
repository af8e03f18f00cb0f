"""Incidents: recorded outages of a provider, from the first route that opens to the last that closes."""

from collections.abc import Mapping
from typing import Literal, Self

from msgspec import Struct
from msgspec.structs import replace

from service.domain.health.breaker import State

Impact = Literal["minor", "major"]  # some of the provider's routes; all that have traffic
Progress = Literal["investigating", "identified", "monitoring", "resolved"]  # Statuspage's words
EntryKind = Literal["opened", "route", "impact", "update", "resolved"]

TIMELINE_LENGTH = 500  # entries kept; the oldest but the first are dropped


class TimelineEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened. `at` in ms.

    Attributes:
        kind: what sort of thing.
        route: which route changed.
        to: the state that it changed to, or the incident's impact.
        reason: why, as the breaker says.
        text: an operator's words.
        by: whose they are.
        public: whether users see them.

    """

    at: int
    kind: EntryKind
    route: str | None = None
    to: str | None = None
    reason: str | None = None
    text: str | None = None
    by: str | None = None
    public: bool = False


class Incident(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One outage of one provider. Times in ms; `version` counts its changes.

    Attributes:
        troubled: routes that are not closed now, and their states.
        affected: every route that was open at some time of it.
        impact: the worst that it was.
        seen: the outbox entries of partition 00 up to here are counted in.

    """

    id: str
    provider: str
    opened_at: int
    updated_at: int
    resolved_at: int = 0
    status: Progress = "investigating"
    impact: Impact = "minor"
    troubled: Mapping[str, State]
    affected: tuple[str, ...] = ()
    timeline: tuple[TimelineEntry, ...]
    seen: tuple[int, ...] = ()
    version: int = 0  # 0: not kept yet, so what is kept always has one written, for `audited.lua`

    @classmethod
    def begun(cls, incident_id: str, provider: str, route: str, reason: str, at: int) -> Self:
        """A route opened, and there was no incident."""
        return cls(
            id=incident_id,
            provider=provider,
            opened_at=at,
            updated_at=at,
            troubled={route: "open"},
            affected=(route,),
            timeline=(TimelineEntry(at=at, kind="opened", route=route, to="open", reason=reason),),
            version=1,
        )

    def route_changed(self, route: str, to: State, reason: str, at: int) -> Self:
        """A route of it changed its state; with the last one that closes it is over."""
        troubled = {**self.troubled, route: to}
        if to == "closed":
            del troubled[route]
        entry = TimelineEntry(at=at, kind="route", route=route, to=to, reason=reason)
        affected = self.affected if route in self.affected else (*self.affected, route)
        changed = self._with(entry, troubled=troubled, affected=affected)
        if not troubled:
            timeline = (*changed.timeline, TimelineEntry(at=at, kind="resolved"))
            return replace(changed, timeline=timeline, status="resolved", resolved_at=at)
        if all(state != "open" for state in troubled.values()):
            return replace(changed, status="monitoring")
        # It may have been monitored, and opened again.
        return replace(changed, status="identified" if self.status == "identified" else "investigating")

    def worsened(self, at: int) -> Self:
        """Every route with traffic is affected by now."""
        if self.impact == "major":
            return self
        return replace(self._with(TimelineEntry(at=at, kind="impact", to="major")), impact="major")

    def said(self, text: str, by: str, at: int, *, public: bool, status: Progress | None) -> Self:
        """An operator says something about it."""
        entry = TimelineEntry(at=at, kind="update", text=text, by=by, public=public, to=status)
        return replace(self._with(entry), status=status or self.status)

    def duration(self, now: int) -> int:
        """How long it lasted, or has lasted, in ms."""
        return (self.resolved_at or now) - self.opened_at

    def _with(self, entry: TimelineEntry, **changes: object) -> Self:
        timeline = (*self.timeline, entry)
        if len(timeline) > TIMELINE_LENGTH:
            timeline = (timeline[0], *timeline[-TIMELINE_LENGTH + 1 :])
        return replace(
            self,
            timeline=timeline,
            updated_at=max(self.updated_at, entry.at),
            version=self.version + 1,
            **changes,
        )
