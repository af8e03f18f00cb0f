"""Health live: what the outbox tells is fed to the decision, and its states are published."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from service.domain.drills import Tally
from service.domain.errors import StateConflict, StoreUnavailable
from service.domain.events import Event
from service.domain.failures import COUNTED
from service.domain.health.crowd import Crowd
from service.domain.health.delays import HORIZON
from service.domain.health.monitor import Monitor
from service.domain.health.route import Route, Transition
from service.domain.health.silence import THRESHOLD
from service.domain.routes import CHECK_ROUTE, route_name, watched
from service.store.health import Evidence, HealthStore, Knowledge, OutboxEvent, RouteState
from service.telemetry import logs, metrics

Listener = Callable[[Sequence[OutboxEvent]], None]

PUBLISH_EVERY = 1000  # ms between saves while nothing changes
NOT_DELIVERED = ("undelivered", "failed")  # Twilio's words

_log = logs.get("health")


class DecideHealth:
    """The deciding worker's part. `step` is called again and again, by every worker; one of them decides."""

    def __init__(self, health: HealthStore, *, clock: Callable[[], int]) -> None:
        self._health = health
        self._clock = clock
        self._token = secrets.token_hex(8)
        self._knowledge: Knowledge | None = None
        self._monitor = Monitor()
        self._tallies: dict[str, Tally] = {}
        self._counted: set[str] = set()
        self._saved_at = 0

    def step(self, heed: Sequence[Listener] = ()) -> bool:
        """Read what happened, decide, publish.

        Args:
            heed: called with the events before they count as read, so that none is passed over.

        Returns:
            Whether this worker decides.

        Raises:
            StoreUnavailable: Redis can't be reached; nothing is lost.
        """
        if self._knowledge is None:
            led = self._health.lead(self._token)
            if led is None:
                return False
            knowledge, self._tallies = led
            self._counted.clear()
            self._tell_outbox(knowledge)  # of the one before, who may not have come to it
            now = self._clock() / 1000
            self._monitor = Monitor(knowledge.routes, now=knowledge.ticked or now)
            self._saved_at = 0
            self._knowledge = knowledge  # last: what was raised before leaves this worker without
            _log.info("deciding", routes=len(self._knowledge.routes))
        events = list(self._health.read(self._knowledge.offsets))
        for listener in heed if events else ():
            _let_hear(listener, events)
        transitions: list[Transition] = []
        for event in events:
            transitions += self._monitor.advance(event.at / 1000)
            try:
                self._count(event)
                if not event.data.get("simulated"):
                    transitions += self._apply(event)
            except Exception as error:  # noqa: BLE001 - it would be read again for ever
                # Of another version, or written by hand: without it the decision is as good.
                _log.error("event_unreadable", type=event.type, exc_info=error)
            self._knowledge.offsets[event.partition] = event.entry
        now_ms = self._clock()
        transitions += self._monitor.advance(now_ms / 1000)
        if (transitions or now_ms - self._saved_at >= PUBLISH_EVERY) and not self._save(now_ms, transitions):
            self._knowledge = None  # another worker took over; what was read is read again by it
            return False
        for transition in transitions:
            self._tell(transition)
        return True

    @property
    def decides(self) -> bool:
        """Whether this worker is the one that decides."""
        return self._knowledge is not None

    def warn(self, provider: str, seconds: float) -> None:
        """Somebody else reports trouble with a provider: evidence that lowers the bars, no more."""
        self._monitor.warn(provider, self._clock() / 1000 + seconds)

    def _count(self, event: OutboxEvent) -> None:
        assert self._knowledge is not None  # noqa: S101 - `step` made sure
        self._knowledge.traffic.count(event.type, event.at, event.data, now=self._clock())
        drill_id = event.data.get("drill")
        if drill_id and event.type.startswith("challenge."):
            self._tallies.setdefault(drill_id, Tally()).count(event.type, event.at, event.data)
            self._counted.add(drill_id)

    def _apply(self, event: OutboxEvent) -> list[Transition]:
        data, at = event.data, event.at / 1000
        if at < self._monitor.now - HORIZON:
            return []  # from before this installation was watched
        match event.type:
            case "challenge.sent" if watched(data["channel"]):
                sent_at, watch = data["sent_at"] / 1000, True
                if data.get("block"):
                    watch = self._hear(data, sent_at)
                routes = self._routes(data["channel"], data)
                return [t for route in routes for t in route.sent(sent_at, watch=watch or not route.closed)]
            case "challenge.send_failed" if (
                watched(data["channel"]) and data["failure_class"] in COUNTED and not data["remembered"]
            ):
                return [t for route in self._routes(data["channel"], data) for t in route.fault(at)]
            case "challenge.approved" | "challenge.locked" | "challenge.canceled":
                return self._answered(data, at)
            case "challenge.missed" if self._is_watched(data["missed"], data, data["sent_at"]):
                for route in self._routes(data["missed"], data):
                    route.failed(data["sent_at"] / 1000, reported=False)
            case "provider.delivery_report" if data["status"] in NOT_DELIVERED and self._is_watched(
                data["channel"], data, data["sent_at"]
            ):
                for route in self._routes(data["channel"], data):
                    route.failed(data["sent_at"] / 1000, reported=True)
            case "provider.checked":
                route = self._monitor.route(CHECK_ROUTE)
                return route.fault(at) if data["fault"] else route.sent(at, watch=False)
        return []

    def _answered(self, data: Mapping[str, Any], at: float) -> list[Transition]:
        transitions: list[Transition] = []
        for channel, (sent_at, *carrier) in (data.get("sends") or {}).items():
            if not watched(channel):
                continue
            told = {"country": data["country"], "carrier": carrier[0] if carrier else None}
            if channel == data.get("approved_by") and data.get("block"):
                self._crowd(channel, told).answered(data["block"], sent_at / 1000)
            if not self._is_watched(channel, data, sent_at):
                continue
            for route in self._routes(channel, told):
                if channel == data.get("approved_by"):
                    transitions += route.approved(at, sent_at / 1000)
                else:
                    route.censored(at, sent_at / 1000)
        return transitions

    def _crowd(self, channel: str, told: Mapping[str, Any]) -> Crowd:
        return self._monitor.crowd(route_name(channel, told["country"]))

    def _hear(self, data: Mapping[str, Any], sent_at: float) -> bool:
        """Whether a send's answer is waited for; earlier ones may be so no longer."""
        hearing = self._crowd(data["channel"], data).sent(data["block"], sent_at)
        route = self._monitor.route(route_name(data["channel"], data["country"]))
        for dropped in hearing.dropped:
            route.censored(sent_at, dropped, tells=False)
        return hearing.watched

    def _is_watched(self, channel: str, data: Mapping[str, Any], sent_at: int) -> bool:
        """Whether an answer is waited for: by a channel with health, and not of a crowd in one block."""
        if not watched(channel):
            return False
        block = data.get("block")
        return not block or self._crowd(channel, data).is_watched(block, sent_at / 1000)

    def _routes(self, channel: str, told: Mapping[str, Any]) -> list[Route]:
        """The route of a send and, where its carrier is known, the carrier's."""
        names = [route_name(channel, told["country"])]
        if told.get("carrier"):
            names.append(route_name(channel, told["country"], told["carrier"]))
        return [self._monitor.route(name) for name in names]

    def _save(self, now: int, transitions: list[Transition]) -> bool:
        assert self._knowledge is not None  # noqa: S101 - `step` made sure
        self._saved_at = now
        self._knowledge.routes = self._monitor.routes
        self._knowledge.ticked = now / 1000
        states = {route.name: state_of(route, now) for route in self._monitor.routes}
        for name, state in states.items():
            for word in ("closed", "half_open", "open"):
                metrics.ROUTE_STATE.labels(name, word).set(word == state.state)
        events = [
            Event(
                f"provider.circuit_{t.to}",
                int(t.t * 1000),
                {"route": t.route, "from": t.source, "to": t.to, "reason": t.reason},
            )
            for t in transitions
        ]
        knowledge = self._knowledge
        knowledge.untold = events
        minutes = knowledge.traffic.settle(now)
        tallies = {drill_id: self._tallies[drill_id] for drill_id in self._counted}
        self._counted.clear()
        try:
            saved = self._health.save(self._token, knowledge, states, minutes, tallies)
            if saved:
                self._tell_outbox(knowledge)
        except StoreUnavailable:
            # Whether it is kept, nobody knows: go on from what is, and read again what came after that.
            self._knowledge = None
            raise
        return saved

    def _tell_outbox(self, knowledge: Knowledge) -> None:
        if knowledge.untold:
            self._health.tell(knowledge.untold)
            knowledge.untold = []

    def _tell(self, transition: Transition) -> None:
        metrics.TRANSITIONS.labels(transition.route, transition.to, transition.reason).inc()
        level = _log.error if transition.to == "open" else _log.warning
        level(
            "circuit",
            route=transition.route,
            source=transition.source,
            to=transition.to,
            reason=transition.reason,
        )


def _let_hear(listener: Listener, events: Sequence[OutboxEvent]) -> None:
    """What only has to be tried again is raised, so that the events are read again; a fault is passed over.

    Otherwise one event that a listener can't take would keep health from being decided for good.
    """
    try:
        listener(events)
    except (StoreUnavailable, StateConflict):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is: the decision goes on
        _log.error("listener_failed", listener=getattr(listener, "__qualname__", "-"), exc_info=error)


def state_of(route: Route, now: int) -> RouteState:
    """A route as the others see it."""
    breaker = route.breaker
    sends, faults = breaker.ratio(now / 1000)
    waiting, approved, failed = route.silence.sample()
    due = breaker.half_open_at()
    return RouteState(
        state=breaker.state,
        since=int(breaker.since * 1000),
        reason=breaker.reason,
        share=breaker.share if breaker.state == "closed" else 0.0,
        next_probe_at=int(due * 1000) if due is not None else None,
        evidence=Evidence(
            sends=sends,
            faults=faults,
            open=waiting,
            approved=approved,
            failed=failed,
            undelivered=route.undelivered,
            baseline=round(route.baseline.estimate(), 4),
            statistic=round(route.evidence, 2),
            threshold=THRESHOLD,
            warned=now / 1000 < route.warned_until,
        ),
    )
