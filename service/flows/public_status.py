"""How things are, for everybody to see."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from service.domain.channels import TRAITS, Channel
from service.domain.errors import StoreUnavailable
from service.domain.health.provider import provider_state
from service.domain.incidents import Incident
from service.domain.mode import Mode, Scope, effective
from service.domain.routes import watched
from service.domain.uptime import Component, Condition, days_of, worst_of
from service.store.health import HealthStore, RouteState
from service.store.incidents import IncidentStore
from service.store.modes import ModeStore

KEPT = 2000  # ms that an answer is given again: anybody may ask, as often as they like


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that the public pages show. `at` in ms."""

    at: int
    condition: Condition
    components: Sequence[Component]
    incidents: Sequence[Incident]  # newest first, of the time that the days cover


class PublicStatus:
    """Looks at health, modes and incidents; nothing in it is about a user."""

    def __init__(
        self,
        health: HealthStore,
        modes: ModeStore,
        incidents: IncidentStore,
        *,
        configured: Collection[Channel],
        clock: Callable[[], int],
    ) -> None:
        self._health = health
        self._modes = modes
        self._incidents = incidents
        self._configured = configured
        self._clock = clock
        self._lock = threading.Lock()
        self._last: Status | None = None
        self._failed_at = -KEPT

    def __call__(self) -> Status:
        """The status now, or a moment ago. Raises `StoreUnavailable`."""
        with self._lock:  # of many who ask at once, one looks
            now = self._clock()  # after the wait
            if 0 <= now - self._failed_at < KEPT:
                raise StoreUnavailable  # just now, for somebody else
            if self._last is None or not 0 <= now - self._last.at < KEPT:
                try:
                    self._last = self._look(now)
                except StoreUnavailable:
                    self._failed_at = self._clock()
                    raise
            return self._last

    def _look(self, now: int) -> Status:
        states = self._health.states()
        incidents = self._incidents.all()
        setting = effective((s for s in self._modes.all() if s.scope == Scope()), "", None, now)
        forced = setting is not None and setting.mode is Mode.FALLBACK
        components = []
        for channel in Channel:
            routes = _routes(states, channel)
            seen = routes or channel in (Channel.SMS, Channel.EMAIL)
            if channel not in self._configured or not TRAITS[channel].delivered or not seen:
                continue
            condition = _condition(routes)
            if forced and watched(channel):
                condition = worst_of((condition, "degraded_performance"))
            since = max((state.since for state in routes.values()), default=0)
            components.append(Component(channel, condition, since, days_of(channel, incidents, now)))
        worst = worst_of(component.condition for component in components)
        return Status(now, worst, components, incidents)


def _routes(states: Mapping[str, RouteState], channel: Channel) -> dict[str, RouteState]:
    found = {}
    for name, state in states.items():
        parts = name.split("/")
        if len(parts) == 3 and parts[1] == channel:
            found[name] = state
    return found


def _condition(routes: Mapping[str, RouteState]) -> Condition:
    match provider_state((state.state, state.evidence.sends) for state in routes.values()):
        case "closed":
            return "operational"
        case "degraded":
            return (
                "partial_outage"
                if any(s.state == "open" for s in routes.values())
                else "degraded_performance"
            )
        case _:
            return (
                "major_outage" if any(s.state == "open" for s in routes.values()) else "degraded_performance"
            )
