"""A simulated world: users who log in, carriers that deliver or do not, a provider that fails.

Time is seconds and passes as fast as it can be reckoned. What the world tells the decision is what the
outbox tells it live: sends, faults, approvals, and users who got in another way.
"""

import heapq
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from service.domain.health.monitor import Monitor
from service.domain.health.route import Transition

DELIVERY_DEADLINE = 20.0  # then the user is prompted for something else
FALLBACK_TIME = 12.0  # mean seconds to answer that
HEDGED_TIME = 8.0  # mean seconds to answer by another factor when asked for it at once


@dataclass(frozen=True)
class Traffic:
    """Logins of one route. `fault` and `delivered` tell how the provider does at a time.

    Attributes:
        rate: logins a second.
        conversion: share that is approved when all is well, as a function of time.
        median, sigma: log-normal seconds to type a code that arrived.
        fallback: share of users who have something else to answer by.
        impatient: share of users who answer by it at once, SMS or not.
        carriers: share of each carrier, of those whose carrier is known.
    """

    route: str
    rate: float
    conversion: Callable[[float], float] = lambda _t: 0.75
    fault: Callable[[float], float] = lambda _t: 0.0
    delivered: Callable[[float, str | None], float] = lambda _t, _carrier: 1.0
    median: float = 12.0
    sigma: float = 0.7
    fallback: float = 0.8
    impatient: float = 0.05
    carriers: tuple[tuple[str, float], ...] = ()


@dataclass
class Outcome:
    """What became of a run."""

    transitions: list[Transition] = field(default_factory=list)
    sends: int = 0
    sends_after: dict[str, int] = field(default_factory=dict)  # since the trouble began, until opened
    matured_after: dict[str, int] = field(default_factory=dict)
    lost_time: int = 0  # users sent into the trouble before their route was open

    def opened(self, route: str, after: float = 0.0) -> float | None:
        """When a route opened first after a moment."""
        return next(
            (t.t for t in self.transitions if t.route == route and t.to == "open" and t.t >= after), None
        )

    def closed(self, route: str, after: float) -> float | None:
        """When a route was closed after a moment: that moment itself when it was closed already."""
        state = "closed"
        for transition in self.transitions:
            if transition.route != route:
                continue
            if transition.t >= after and state == "closed":
                break
            state = transition.to
            if transition.t >= after and state == "closed":
                return transition.t
        return after if state == "closed" else None

    def openings(self) -> int:
        return sum(t.to == "open" for t in self.transitions)


def simulate(
    traffic: list[Traffic],
    seconds: float,
    seed: int,
    *,
    trouble_at: float = math.inf,
    until_open: str | None = None,
    limit: int | None = None,
    monitor: Monitor | None = None,
) -> Outcome:
    """Run a world.

    Args:
        traffic: one a route.
        seconds: how long.
        seed: the same seed gives the same world.
        trouble_at: when it begins to fail, for the counts.
        until_open: stop when this route opens after that.
        limit: stop after so many sends.
        monitor: the decision; a fresh one unless given.
    """
    random_ = random.Random(seed)
    monitor = monitor or Monitor()
    outcome = Outcome()
    pending: list[tuple[float, int, str, float, bool]] = []  # answer at, order, route(s), sent at, by SMS
    begun: dict[str, list[float]] = {}
    for at, source in _arrivals(traffic, seconds, random_):
        while pending and pending[0][0] <= at:
            _answer(monitor, outcome, pending)
        _note(outcome, monitor.advance(at))
        if until_open and (opened := outcome.opened(until_open, trouble_at)) is not None:
            sends = begun.get(until_open, [])
            outcome.sends_after[until_open] = sum(s <= opened for s in sends)
            outcome.matured_after[until_open] = sum(s + 90 <= opened for s in sends)
            return outcome
        outcome.sends += 1
        if limit is not None and outcome.sends > limit:
            return outcome
        _send(monitor, outcome, source, at, random_, pending, begun, trouble_at)
    _note(outcome, monitor.advance(seconds))
    return outcome


def _arrivals(
    traffic: list[Traffic], seconds: float, random_: random.Random
) -> Iterator[tuple[float, Traffic]]:
    queue = [(random_.expovariate(source.rate), n) for n, source in enumerate(traffic)]
    heapq.heapify(queue)
    while queue:
        at, n = heapq.heappop(queue)
        if at > seconds:
            continue
        yield at, traffic[n]
        heapq.heappush(queue, (at + random_.expovariate(traffic[n].rate), n))


def _send(
    monitor: Monitor,
    outcome: Outcome,
    source: Traffic,
    at: float,
    random_: random.Random,
    pending: list[tuple[float, int, str, float, bool]],
    begun: dict[str, list[float]],
    trouble_at: float,
) -> None:
    carrier = _carrier(source, random_)
    names = [source.route] + ([f"{source.route}/{carrier}"] if carrier else [])
    admissions = [monitor.admit(name, at, f"{at}") for name in names]
    if "refuse" in admissions:
        return
    probe = "probe" in admissions
    if at >= trouble_at:
        for name in names:
            begun.setdefault(name, []).append(at)
    trouble = source.fault(at) > 0.05 or source.delivered(at, carrier) < 0.9
    outcome.lost_time += trouble and not probe
    if random_.random() < source.fault(at):
        for name in names:
            _note(outcome, monitor.route(name).fault(at))
        return
    for name in names:
        _note(outcome, monitor.route(name).sent(at))
    arrives = random_.random() < source.delivered(at, carrier)
    delay = source.median * math.exp(random_.gauss(0, source.sigma))
    by_sms = arrives and random_.random() < source.conversion(at)
    has_other = random_.random() < source.fallback
    other_at = math.inf
    if has_other:
        if probe:
            other_at = random_.expovariate(1 / HEDGED_TIME)
        elif random_.random() < source.impatient:
            other_at = 5 + random_.expovariate(1 / 5)
        elif not arrives:
            other_at = DELIVERY_DEADLINE + random_.expovariate(1 / FALLBACK_TIME)
    first = min(delay if by_sms else math.inf, other_at)
    if first < 600:
        entry = (at + first, outcome.sends, "|".join(names), at, by_sms and delay <= other_at)
        heapq.heappush(pending, entry)


def _answer(monitor: Monitor, outcome: Outcome, pending: list[tuple[float, int, str, float, bool]]) -> None:
    at, _, names, sent_at, by_sms = heapq.heappop(pending)
    _note(outcome, monitor.advance(at))
    for name in names.split("|"):
        route = monitor.route(name)
        if by_sms:
            _note(outcome, route.approved(at, sent_at))
        else:
            route.censored(at, sent_at)


def _carrier(source: Traffic, random_: random.Random) -> str | None:
    throw = random_.random()
    for carrier, share in source.carriers:
        throw -= share
        if throw < 0:
            return carrier
    return None


def _note(outcome: Outcome, transitions: list[Transition]) -> None:
    outcome.transitions += transitions
