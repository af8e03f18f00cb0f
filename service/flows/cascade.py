"""Walking a plan: from one channel to the next until one is ready."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from msgspec.structs import replace

from service.channels.base import DeliveryChannel, SendJob
from service.channels.drilled import Drilled
from service.domain.challenge import Challenge, Entry, Subject, why_not
from service.domain.channels import TRAITS, Channel
from service.domain.drills import Drill
from service.domain.errors import FieldFault, InvalidInput, RateLimited
from service.domain.events import Event, challenge_event
from service.domain.failures import COUNTED, FailureClass, Reason, SendFailure
from service.domain.health.breaker import State, within_share
from service.domain.limits import PREFIX, Limits
from service.domain.routes import route_name
from service.telemetry import logs, metrics, traces

# Beyond the deadline of one send: what a second one may take, so that a hanging provider does not
# make the user wait twice.
SECOND_CHANCE = 0.7  # seconds
CARRIER_PROBES = 0.25  # share of a half-open carrier's challenges that probe it
PATIENCE = 10_000  # ms; who asks sooner than that has not waited for the message
SHORTEST_SEND = 0.1  # seconds; with less left, a send is not begun

_log = logs.get("cascade")


@dataclass(slots=True)
class Walk:
    """One walk: where it stands, what happened on it, and what it learned about providers.

    Attributes:
        claim: stores the challenge before a send is made, so that two requests never send twice; the
            challenge comes back as stored.
        now: ms, the time of the request.
        until: `time.monotonic()` by which the walk must be over.
        trouble: routes that are not closed; nothing is sent by those.
        drill: the one that runs.
        down: providers that failed on it, and how that is told.
        fraud: somebody suspects toll fraud: no paid channel may follow.
        limited: the send that a limit held up, if one did; of several, that which may be made soonest.
        barred: the provider's code for why the recipient can't be reached, if it said so.
    """

    challenge: Challenge
    subject: Subject
    now: int
    until: float
    claim: Callable[[Challenge, list[Event]], Challenge]
    limits: Limits
    trouble: Mapping[str, State] = field(default_factory=dict)
    drill: Drill | None = None
    began: float = field(default_factory=time.monotonic)
    events: list[Event] = field(default_factory=list)
    down: dict[str, Reason] = field(default_factory=dict)
    fraud: bool = False
    limited: SendFailure | None = None
    barred: str | None = None

    def prompt(self, channel: Channel, reason: Reason | None) -> None:
        """The prompt moves."""
        self._moved(self.challenge.prompting(channel, reason, self.now))

    def sending(self, channel: Channel, reason: Reason | None) -> None:
        """The prompt moves to a channel about to be sent to."""
        self._moved(self.challenge.sending(channel, reason, self.now, self.limits.cool_down))
        self.challenge = self.claim(self.challenge, self.events)

    def miss(self, channel: Channel) -> None:
        """The user asks for another message or way: the last send did not arrive, if it had time to."""
        entry = self.challenge.entry(channel)
        if entry is None or not entry.sent_at or entry.missed or self.now - entry.sent_at < PATIENCE:
            return
        if self.challenge.was_lost(channel):
            return  # by a drill: it says nothing of the route
        told: dict[str, object] = {"missed": channel, "country": self.challenge.country}
        told |= {"sent_at": entry.sent_at, "carrier": entry.carrier, "block": self.challenge.block}
        self.events.append(challenge_event("missed", self.challenge, self.now, **told))
        self.challenge = self.challenge.with_entry(channel, missed=True)

    def at(self) -> int:
        """The time now, ms."""
        return self.now + int((time.monotonic() - self.began) * 1000)

    def _moved(self, changed: Challenge) -> None:
        for switch in changed.switches[len(self.challenge.switches) :]:
            self.events.append(
                challenge_event(
                    "switched",
                    changed,
                    self.now,
                    source=switch.source,
                    target=switch.to,
                    reason=switch.reason,
                )
            )
            metrics.of(metrics.SWITCHES, switch.source, switch.to, switch.reason).inc()
        self.challenge = changed


class Cascade:
    """Sends by the channels of a plan, in order, until one is ready."""

    def __init__(
        self, channels: Mapping[Channel, DeliveryChannel], *, send_deadline: float, limits: Limits
    ) -> None:
        self._channels = channels
        self._send_deadline = send_deadline
        self._limits = limits

    @property
    def configured(self) -> frozenset[Channel]:
        """The channels this installation can carry."""
        local = {channel for channel, traits in TRAITS.items() if not traits.delivered}
        return frozenset(self._channels) | local

    def begin(
        self,
        challenge: Challenge,
        subject: Subject,
        now: int,
        claim: Callable[[Challenge, list[Event]], Challenge] = lambda challenge, _events: challenge,
        trouble: Mapping[str, State] = MappingProxyType({}),
        drill: Drill | None = None,
    ) -> Walk:
        """Start a walk; its time runs from here."""
        until = time.monotonic() + self._send_deadline + SECOND_CHANCE
        return Walk(challenge, subject, now, until, claim, self._limits, trouble, drill)

    def advance(self, walk: Walk, entries: Iterable[Entry], reason: Reason | None) -> bool:
        """Try entries in order. Returns whether one of them is ready; the walk tells the rest.

        Args:
            walk: changed on the way.
            entries: those of the plan that may be tried.
            reason: why the challenge leaves its present channel.

        Raises:
            InvalidInput: the provider says that the request itself is wrong.
        """
        for entry in entries:
            if entry.state == "skipped":
                told_as = entry.reason.told_as if entry.reason is not None else None
                if walk.challenge.channel is None and told_as is not None:
                    walk.prompt(entry.channel, None)
                    reason = told_as
                continue
            if not TRAITS[entry.channel].delivered:
                walk.prompt(entry.channel, reason)
                return True
            if (obstacle := self._obstacle(walk, entry.channel)) is not None:
                walk.challenge = walk.challenge.with_entry(entry.channel, state="skipped", reason=obstacle)
                continue
            failure = self.send(walk, entry.channel, reason)
            if failure is None:
                return True
            reason = failure.reason
        return False

    def send(self, walk: Walk, channel: Channel, reason: Reason | None) -> SendFailure | None:
        """Send by one channel; the failure, if it did.

        Raises:
            InvalidInput: the provider says that the request itself is wrong.
        """
        walk.sending(channel, reason)
        return self._deliver(walk, channel)

    def probe(self, walk: Walk, channel: Channel) -> None:
        """Send to see whether a route is back: the prompt stays where it is, whatever comes of it."""
        walk.trouble = {}
        walk.challenge = walk.claim(walk.challenge.probing(channel), walk.events)
        self._deliver(walk, channel)

    def _deliver(self, walk: Walk, channel: Channel) -> SendFailure | None:
        provider = TRAITS[channel].provider or "-"
        challenge, started = walk.challenge, time.monotonic()
        job = SendJob(
            challenge_id=challenge.id,
            application=challenge.application,
            subject=walk.subject,
            locale=challenge.locale,
            deadline=min(self._send_deadline, max(SHORTEST_SEND, walk.until - started)),
            now=walk.now,
            expires_at=challenge.expires_at,
            block=challenge.block,
            origin=challenge.origin,
            trouble=walk.trouble,
        )
        told: dict[str, object] = {"provider": provider, "country": job.country}
        simulation = walk.drill.simulation(challenge, channel) if walk.drill is not None else None
        if simulation is not None:
            told["simulated"] = True
        try:
            with traces.span(f"send {channel}"):
                receipt = (Drilled(channel, simulation) if simulation else self._channels[channel]).send(job)
        except SendFailure as failure:
            self._note_failure(walk, channel, provider, job, failure)
            return failure
        if simulation is None:
            seconds = metrics.of(metrics.SEND_SECONDS, provider, channel)
            seconds.observe(time.monotonic() - started)
        outcome = "drill" if simulation else "sent"
        metrics.of(metrics.SENDS, provider, channel, job.country, outcome).inc()
        at = walk.at()
        walk.challenge = challenge.sent(
            channel, at, ref=receipt.ref, own_code=receipt.own_code, carrier=receipt.carrier
        )
        told |= {"channel": channel, "ref": receipt.ref, "sent_at": at, "carrier": receipt.carrier}
        told["block"] = challenge.block
        walk.events.append(challenge_event("sent", walk.challenge, at, **told))
        return None

    def is_shut(self, walk: Walk, channel: Channel) -> bool:
        """Whether nothing is sent by a channel now, since its route is not healthy."""
        return route_name(channel, walk.challenge.country) in walk.trouble

    def _obstacle(self, walk: Walk, channel: Channel) -> Reason | None:
        """Why a send would be in vain or must not be, from what this walk has seen."""
        traits = TRAITS[channel]
        if walk.fraud and traits.paid:
            return Reason.FRAUD_SUSPECTED
        if traits.provider in walk.down:
            return walk.down[traits.provider]
        if self.is_shut(walk, channel):
            return Reason.CIRCUIT_OPEN
        if walk.challenge.sends >= self._limits.sends:
            return Reason.NOT_ALLOWED
        if walk.until - time.monotonic() < SHORTEST_SEND:
            return Reason.DEADLINE
        return None

    def _note_failure(
        self, walk: Walk, channel: Channel, provider: str, job: SendJob, failure: SendFailure
    ) -> None:
        if failure.failure_class is FailureClass.REQUEST:
            raise InvalidInput(
                FieldFault(TRAITS[channel].contact or "channels", "the provider does not accept it")
            )
        if failure.failure_class in COUNTED and failure.reason is not Reason.CIRCUIT_OPEN:
            drilled = failure.reason is Reason.DRILL
            walk.down[provider] = Reason.DRILL if drilled else Reason.PROVIDER_ERROR
        walk.fraud = walk.fraud or failure.fraud
        if failure.failure_class is FailureClass.RECIPIENT:
            walk.barred = walk.barred or failure.code
        walk.challenge = walk.challenge.send_failed(
            channel, failure.reason, maybe_sent=failure.maybe_sent, own_code=False
        )
        if failure.refusal is not None:
            walk.challenge = walk.challenge.refused(channel, failure.refusal)
            metrics.REFUSED_SENDS.labels(channel, failure.refusal).inc()
            if failure.refusal is Reason.RATE_LIMITED and (
                walk.limited is None or failure.wait < walk.limited.wait
            ):
                walk.limited = failure
        if failure.reason is Reason.CIRCUIT_OPEN:
            route = route_name(channel, job.country, failure.carrier)
            half_open = walk.trouble.get(route) == "half_open"
            probe = half_open and within_share(CARRIER_PROBES, job.challenge_id)
            walk.challenge = walk.challenge.with_entry(channel, state="skipped", probe=probe)
        told = {
            "channel": channel,
            "provider": provider,
            "country": job.country,
            "failure_class": failure.failure_class.value,
            "code": failure.code,
            "remembered": failure.remembered,
            "carrier": failure.carrier,
            **({"simulated": True} if failure.reason is Reason.DRILL else {}),
        }
        walk.events.append(challenge_event("send_failed", walk.challenge, walk.at(), **told))
        if failure.reason is Reason.DRILL:
            metrics.SENDS.labels(provider, channel, job.country, "drill").inc()
            return
        metrics.SENDS.labels(provider, channel, job.country, failure.failure_class).inc()
        metrics.SEND_FAILURES.labels(provider, channel, failure.failure_class, failure.code).inc()
        _log.warning("send_failed", challenge=job.challenge_id, **told)


def rate_limited(failure: SendFailure) -> RateLimited:
    """What a caller is told of a limit that held up the only message there was."""
    standings = [failure.standing] if failure.standing is not None else []
    return RateLimited(standings, wait=max(1, failure.wait), limit=standings[0].name if standings else PREFIX)


def dead_end(challenge: Challenge, now: int) -> tuple[Challenge, Event]:
    """End a challenge that no channel is left for, and say why loudly: event, log line, metric."""
    why = why_not(challenge.entries)
    failed = replace(challenge.dead_end(now), channel=None)
    if challenge.drill is not None:  # rehearsed: nobody is to be woken
        return failed, challenge_event("failed", failed, now, why=why)
    for channel, word in why.items():
        metrics.DEAD_ENDS.labels(channel, word).inc()
    _log.error("no_channel_left", challenge=challenge.id, user=challenge.user, why=why)
    return failed, challenge_event("failed", failed, now, why=why)
