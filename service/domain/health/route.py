"""One route's health: the breaker, and the test for silent failure that also judges its probes."""

from typing import Literal, NamedTuple

from msgspec import Struct, field

from service.domain.health.baseline import Baseline
from service.domain.health.breaker import GOOD_PROBES, MAX_PROBES, Breaker, within_share
from service.domain.health.delays import Delays
from service.domain.health.silence import TABLE_LIFE, THRESHOLD, Silence, Terms

PROBES_BAD = 3.0  # evidence at which probes say that the route is still silent
PROBES_CLEAR = 1.5  # evidence below which good probes are believed
SETBACK_EVIDENCE = THRESHOLD / 3  # on the ramp
WARNED = 0.6  # of the threshold, while somebody else reports trouble

Admission = Literal["send", "probe", "refuse"]


class Transition(NamedTuple):
    """A route changed its state. `t` in seconds."""

    t: float
    route: str
    source: str
    to: str
    reason: str


class Route(Struct):
    """One route: provider, channel, country calling code. Times in seconds."""

    name: str
    breaker: Breaker = field(default_factory=Breaker)
    silence: Silence = field(default_factory=Silence)
    baseline: Baseline = field(default_factory=Baseline)
    delays: Delays = field(default_factory=Delays)
    opened_by_silence: bool = False
    warned_until: float = 0.0
    evidence: float = 0.0  # the statistic at the last tick
    undelivered: int = 0  # reports since the last transition

    @property
    def closed(self) -> bool:
        """Whether all is as usual."""
        return self.breaker.state == "closed"

    def admit(self, at: float, send_id: str) -> Admission:
        """Whether a send may be made: as usual, as a probe, or not."""
        match self.breaker.state:
            case "closed":
                return "send" if within_share(self.breaker.share, send_id) else "refuse"
            case "half_open" if self.silence.waiting() < MAX_PROBES:
                return "probe"
            case _:
                return "refuse"

    def sent(self, at: float, *, watch: bool = True) -> list[Transition]:
        """A send was accepted by the provider; `watch`: an approval is to be expected of it."""
        if self.breaker.state == "open":
            return []
        self.breaker.count(at, fault=False)
        if watch:
            self.silence.sent(at)
        if self.breaker.state == "half_open" and not self.opened_by_silence:
            return self._good_probe(at)
        return []

    def fault(self, at: float) -> list[Transition]:
        """A send failed by the provider's fault."""
        if self.breaker.state == "open":
            return []
        self.breaker.count(at, fault=True)
        if self.breaker.state == "half_open":
            return self._open(at, "probe_failed")
        if self.breaker.recovering and self.breaker.streak >= 2:
            return [] if self.breaker.setback(at) else self._open(at, "consecutive_faults")
        reason = self.breaker.loud(at, warned=at < self.warned_until)
        if reason is not None:
            self.opened_by_silence = False
            return self._open(at, reason)
        return []

    def approved(self, at: float, sent_at: float) -> list[Transition]:
        """The code of a send came back."""
        if self.breaker.state == "open" or not self.silence.approved(sent_at):
            return []
        self.delays.learn(at - sent_at)
        if self.breaker.state == "half_open" and self.opened_by_silence:
            return self._good_probe(at)
        return []

    def failed(self, sent_at: float, *, reported: bool) -> None:
        """A send is known not to have arrived: the user says so, or a delivery report does."""
        self.undelivered += reported
        if self.breaker.state != "open":
            self.silence.failed(sent_at)

    def censored(self, at: float, sent_at: float, *, tells: bool = True) -> None:
        """Nothing more will be heard of a send: its user answered by another channel.

        That tells something of the route, unless its user was prompted to, as of a probe, or is none.
        """
        if self.breaker.state != "open":
            told = tells and self.breaker.state == "closed"
            self.silence.censored(sent_at, at - sent_at if told else None)

    def tick(self, at: float, terms: Terms) -> list[Transition]:
        """Let time pass: half-open when the wait is over, settle what matured, weigh what is open."""
        transitions = []
        due = self.breaker.half_open_at()
        if due is not None and at >= due:
            transitions.append(Transition(due, self.name, "open", "half_open", "wait_over"))
            self.breaker.half_open(due)
            self.silence.clear()
        if self.breaker.state == "closed":
            self.breaker.climb(at)
        if self.silence.cohorts:
            self.silence.mature(at, terms, self.baseline)
            self.evidence = self.silence.statistic(at, terms)
        else:
            self.evidence = max(self.silence.sums)
        if self.breaker.state == "half_open" and self.opened_by_silence and self.evidence >= PROBES_BAD:
            return transitions + self._open(at, "probes_not_arriving")
        if self.breaker.state == "closed" and self.evidence >= self._bar(at):
            if self.breaker.recovering and self.evidence < THRESHOLD and self.breaker.setback(at):
                self.silence.clear()
                return transitions
            return transitions + self.open_silent(at, "not_arriving")
        return transitions

    def open_silent(self, at: float, reason: str) -> list[Transition]:
        """Open since sends do not arrive."""
        self.opened_by_silence = True
        return self._open(at, reason)

    @property
    def idle(self) -> bool:
        """Whether time alone changes nothing."""
        return not self.silence.cohorts and self.breaker.state == "closed" and not self.breaker.recovering

    def _bar(self, at: float) -> float:
        if self.breaker.recovering:
            return SETBACK_EVIDENCE
        return THRESHOLD * WARNED if at < self.warned_until else THRESHOLD

    def _good_probe(self, at: float) -> list[Transition]:
        self.breaker.good += 1
        if self.breaker.good < GOOD_PROBES or (self.opened_by_silence and self.evidence >= PROBES_CLEAR):
            return []
        self.breaker.close(at, "probes_good")
        self.silence.clear()
        self.undelivered = 0
        return [Transition(at, self.name, "half_open", "closed", "probes_good")]

    def _open(self, at: float, reason: str) -> list[Transition]:
        source = self.breaker.state
        self.breaker.open(at, reason)
        self.silence.clear()
        self.undelivered = 0
        return [Transition(at, self.name, source, "open", reason)]


class Desk:
    """A route with the tables that its test reckons with; they are made from it, so never stored."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.terms = Terms(route.baseline, route.delays)
        self._fresh_until = 0.0

    def tick(self, at: float) -> list[Transition]:
        """Let time pass for the route."""
        if at >= self._fresh_until:
            self.terms = Terms(self.route.baseline, self.route.delays)
            self._fresh_until = at + TABLE_LIFE
        return self.route.tick(at, self.terms)
