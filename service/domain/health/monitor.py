"""All routes together: what is fed live by the worker, and by `otp-fallback replay` from a trace."""

import math
from collections.abc import Iterable

from service.domain.health.crowd import Crowd
from service.domain.health.route import Admission, Desk, Route, Transition
from service.domain.health.silence import ALTERNATIVES, THRESHOLD

TICK = 1.0  # seconds
WITNESS_EVIDENCE = 1.5  # that a route must show itself when the others speak against the provider
WITNESS_SECONDS = 600.0  # for which the bar stays lowered on routes with too little traffic to tell


class Monitor:
    """Routes by name, their clock, and the provider as a witness for routes with little traffic.

    Events and time must not run backwards by more than a tick. Every method returns the transitions that
    it caused, in order.
    """

    def __init__(self, routes: Iterable[Route] = (), *, now: float | None = None) -> None:
        self._desks = {route.name: Desk(route) for route in routes}
        self._ticked = now
        self._crowds: dict[str, Crowd] = {}

    @property
    def now(self) -> float:
        """Up to when time has passed."""
        return self._ticked or 0.0

    @property
    def routes(self) -> list[Route]:
        """Every route seen so far."""
        return [desk.route for desk in self._desks.values()]

    def route(self, name: str) -> Route:
        """A route by name; new ones begin closed."""
        desk = self._desks.get(name)
        if desk is None:
            desk = self._desks[name] = Desk(Route(name))
        return desk.route

    def crowd(self, name: str) -> Crowd:
        """The latest sends of a route, by the blocks of numbers that they went to."""
        return self._crowds.setdefault(name, Crowd())

    def admit(self, name: str, at: float, send_id: str) -> Admission:
        """Whether a send on a route may be made."""
        return self.route(name).admit(at, send_id)

    def advance(self, to: float) -> list[Transition]:
        """Let time pass, tick by tick."""
        if self._ticked is None:
            self._ticked = math.floor(to)
            return []
        transitions: list[Transition] = []
        while self._ticked + TICK <= to:
            if all(desk.route.idle for desk in self._desks.values()):
                self._ticked = math.floor(to)  # nothing to do in a pause of hours
                break
            self._ticked += TICK
            for desk in self._desks.values():
                if not desk.route.idle:
                    transitions += desk.tick(self._ticked)
            if len(self._desks) > 1:
                transitions += self._hear_witnesses(self._ticked)
        return transitions

    def warn(self, provider: str, until: float) -> None:
        """Somebody else reports trouble with a provider: lower the bars for a while."""
        for desk in self._desks.values():
            if desk.route.name.startswith(f"{provider}/"):
                desk.route.warned_until = max(desk.route.warned_until, until)

    def _hear_witnesses(self, at: float) -> list[Transition]:
        """Routes too small to tell alone, heard together: one sum over all sends of a provider's channel.

        Each send is weighed by its own route's baseline, so the sum is a CUSUM like each route's, with the
        same rarity of false alarms. When it speaks, the routes that show the loss themselves are opened; on
        the others the bar is lowered for a while.
        """
        groups: dict[str, list[Desk]] = {}
        for desk in self._desks.values():
            if desk.route.breaker.state == "closed" and desk.route.silence.cohorts:
                groups.setdefault(desk.route.name.rpartition("/")[0], []).append(desk)
        transitions: list[Transition] = []
        for desks in groups.values():
            if len(desks) < 2 or _pooled(desks, at) < THRESHOLD:
                continue
            for desk in desks:
                if desk.route.evidence >= WITNESS_EVIDENCE:
                    transitions += desk.route.open_silent(at, "provider_not_arriving")
                else:
                    desk.route.warned_until = at + WITNESS_SECONDS
        return transitions


def _pooled(desks: list[Desk], at: float) -> float:
    largest = 0.0
    for k in range(len(ALTERNATIVES)):
        by_start: dict[float, float] = {}
        for desk in desks:
            for start, term in desk.route.silence.terms_of_cohorts(at, desk.terms, k):
                by_start[start] = by_start.get(start, 0.0) + term
        total = 0.0
        for start in sorted(by_start):
            total = max(0.0, total + by_start[start])
        largest = max(largest, total)
    return largest
