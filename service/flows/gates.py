"""What the routes' health lets through: asked before a send and before a check."""

import time
from collections.abc import Callable, Iterable, Mapping

from service.domain.channels import Channel
from service.domain.errors import StoreUnavailable
from service.domain.failures import CheckFailure, FailureClass
from service.domain.health.breaker import State, within_share
from service.domain.plan import Gate
from service.domain.routes import CHECK_ROUTE, route_name, watched
from service.store.health import HealthStore, RouteState

CIRCUIT_OPEN = "circuit_open"  # the code of a check that was not made
PROBE_SPACING = 500  # ms between probes of one route, of all processes together
CACHE = 0.5  # seconds that the check route's state is believed
OVERDUE = 10_000  # ms after which an open route is taken for half-open though no worker said so


class Gates:
    """Reads the published states. One object serves a process."""

    def __init__(self, health: HealthStore, *, clock: Callable[[], int]) -> None:
        self._health = health
        self._clock = clock
        self._states: dict[str, RouteState] = {}
        self._read_at = float("-inf")
        self._refused_until: dict[str, float] = {}

    def of(
        self, states: Mapping[str, RouteState], channels: Iterable[Channel], country: str, challenge_id: str
    ) -> dict[Channel, Gate]:
        """The gates of a new challenge; a channel whose route is healthy is not named.

        Args:
            states: of all routes, as read with the rest of what a start loads.
            channels: those that the challenge may use.
            country: calling code.
            challenge_id: decides whether it is among those that a recovering route takes.

        Raises:
            StoreUnavailable: a probe could not be claimed.
        """
        gates: dict[Channel, Gate] = {}
        for channel in filter(watched, channels):
            name = route_name(channel, country)
            state = states.get(name)
            if state is None:
                continue
            match self._now(state):
                case "closed" if within_share(state.share, challenge_id):
                    continue
                case "half_open" if self._claim_probe(name):
                    gates[channel] = Gate.PROBE
                case _:
                    gates[channel] = Gate.SHUT
        return gates

    def trouble(self, states: Mapping[str, RouteState] | None = None) -> dict[str, State]:
        """The routes that are not closed, carriers' among them.

        Args:
            states: of all routes; left out, those read at most `CACHE` seconds ago.
        """
        known = self._recent() if states is None else states
        return {name: now for name, state in known.items() if (now := self._now(state)) != "closed"}

    def require_check(self) -> None:
        """Raise `CheckFailure` unless the provider may be asked about a code now."""
        state = self._recent().get(CHECK_ROUTE)
        if state is None or (now := self._now(state)) == "closed":
            return
        if now == "open" or not self._claim_probe(CHECK_ROUTE):
            raise CheckFailure(FailureClass.PROVIDER_FAULT, CIRCUIT_OPEN)

    def _recent(self) -> Mapping[str, RouteState]:
        if time.monotonic() - self._read_at > CACHE:
            try:
                self._states = self._health.states()
            except StoreUnavailable:
                return self._states  # the request's own calls to the store will say so
            self._read_at = time.monotonic()
        return self._states

    def _now(self, state: RouteState) -> State:
        due = state.next_probe_at
        if state.state == "open" and due is not None and self._clock() > due + OVERDUE:
            return "half_open"
        return state.state

    def _claim_probe(self, route: str) -> bool:
        now = time.monotonic()
        if now < self._refused_until.get(route, 0.0):
            return False  # this process asked a moment ago: spare the round trip
        if self._health.claim_probe(route, PROBE_SPACING):
            return True
        self._refused_until[route] = now + PROBE_SPACING / 5000
        return False
