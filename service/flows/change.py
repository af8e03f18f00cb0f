"""What can become of a running challenge: resend, switch, cancel, and what the worker does to it."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from service.domain.challenge import Challenge, Entry, Subject
from service.domain.channels import TRAITS, Channel
from service.domain.errors import (
    FieldFault,
    InvalidInput,
    NoOtherChannel,
    NotFound,
    NothingToResend,
    ResendTooSoon,
    SendsExhausted,
    StateConflict,
)
from service.domain.events import Event, challenge_event
from service.domain.failures import SHUTS_PROVIDER, Reason
from service.flows.cascade import Cascade, Walk, rate_limited
from service.flows.gates import Gates
from service.flows.schedule import next_due
from service.store.challenges import ChallengeStore
from service.store.drills import DrillStore

_SAVE_TRIES = 5


class ChangeChallenge:
    """Changes running challenges. Every change is stored only on top of the state it was decided on."""

    def __init__(
        self,
        challenges: ChallengeStore,
        cascade: Cascade,
        gates: Gates,
        drills: DrillStore,
        *,
        clock: Callable[[], int],
        delivery_deadline: int,
        sends: int,
    ) -> None:
        self._challenges = challenges
        self._cascade = cascade
        self._gates = gates
        self._drills = drills
        self._clock = clock
        self._delivery_deadline = delivery_deadline
        self._sends = sends

    def get(self, application: str | None, challenge_id: str) -> tuple[Challenge, Subject]:
        """A challenge and whom it is about.

        Raises:
            NotFound: no such challenge in this application.
        """
        challenge = self._challenges.get(challenge_id, application)
        if challenge is None:
            raise NotFound("challenge")
        return challenge, self._challenges.open(challenge)

    def cancel(
        self, application: str, challenge_id: str, *, vouched: bool = False
    ) -> tuple[Challenge, Subject]:
        """End it; `vouched`: the caller says that it was answered elsewhere.

        Raises:
            ChallengeEnded: it is over already.
        """
        for _ in range(_SAVE_TRIES):
            challenge, subject, now = self._pending(application, challenge_id)
            canceled = challenge.canceled(now, vouched=vouched)
            told: dict[str, object] = {"country": canceled.country, "sends": canceled.watched_sends()}
            told["verifications"] = canceled.has_verification()
            event = challenge_event("canceled", canceled, now, **told)
            if self._challenges.save(canceled, [event], now=now, due_at=None):
                return canceled.next_version(), subject
        raise _conflict()

    def resend(self, application: str, challenge_id: str) -> tuple[Challenge, Subject]:
        """Send again by the present channel; what was sent before stays valid.

        Raises:
            NothingToResend: the present channel sends nothing.
            ResendTooSoon: the cool-down has not passed.
            SendsExhausted: the challenge has sent as often as it may.
            RateLimited: a limit holds it up, and there is no other way; what was sent before stays valid.
        """
        challenge, subject, now = self._pending(application, challenge_id)
        channel = challenge.channel
        if channel is None or not TRAITS[channel].delivered:
            raise NothingToResend("Nothing is sent for the present channel.")
        self._require_send_allowed(challenge, now)
        walk = self._walk(challenge, subject, now)
        walk.events.append(challenge_event("resent", challenge, now))
        walk.miss(channel)
        others = _after(challenge, channel)
        if others and self._cascade.is_shut(walk, channel):
            walk.challenge = walk.challenge.left(channel, Reason.CIRCUIT_OPEN)
            self._cascade.advance(walk, others, Reason.CIRCUIT_OPEN)
        elif (failure := self._cascade.send(walk, channel, None)) is not None:
            self._require_way(walk, channel, moved=self._cascade.advance(walk, others, failure.reason))
        return self._store(walk), subject

    def switch(self, application: str, challenge_id: str, named: Channel | None) -> tuple[Challenge, Subject]:
        """Move the prompt on, or to a named channel.

        Raises:
            InvalidInput: the named channel can't serve in this challenge.
            NoOtherChannel: nothing comes after the present one.
            RateLimited: a limit holds up the message; the prompt stays where it was.
            ResendTooSoon: the named channel was sent to a moment ago.
        """
        challenge, subject, now = self._pending(application, challenge_id)
        candidates = self._named(challenge, named) if named else _after(challenge, challenge.channel)
        if named is not None and named == challenge.channel:
            return challenge, subject
        if named is not None and TRAITS[named].delivered:
            entry = candidates[0]
            if entry.state == "sent" and now < challenge.resend_at:
                # A code is on its way there already: only the prompt moves.
                walk = self._walk(challenge, subject, now)
                walk.prompt(named, Reason.USER_REQUEST)
                walk.miss(challenge.channel or named)
                return self._store(walk), subject
            if entry.state != "waiting":
                self._require_send_allowed(challenge, now)
        if not candidates:
            raise NoOtherChannel("There is no other channel to switch to.")
        walk = self._walk(challenge, subject, now)
        moved = self._cascade.advance(walk, candidates, Reason.USER_REQUEST)
        if not moved and not walk.events:
            raise NoOtherChannel("There is no other channel to switch to.")
        if challenge.channel is not None:
            walk.miss(challenge.channel)
            self._require_way(walk, challenge.channel, moved=moved)
        return self._store(walk), subject

    def ask(self, application: str, challenge_id: str, channel: Channel) -> tuple[Challenge, Subject]:
        """Send by a channel: again, for the first time, or by one that was not planned.

        What can't be had leaves the prompt where the user has something to answer by.

        Raises:
            NothingToResend: it is the present channel, and sends nothing.
            ResendTooSoon: the cool-down has not passed.
            SendsExhausted: the challenge has sent as often as it may.
            RateLimited: a limit holds it up, and there is no other way.
        """
        challenge, subject, now = self._pending(application, challenge_id)
        if channel == challenge.channel:
            return self.resend(application, challenge_id)
        entry = challenge.entry(channel)
        if entry is None:
            if not self._may_widen(challenge, subject, channel):
                return challenge, subject
            challenge = challenge.widened(channel)
            entry = challenge.entry(channel)
        if entry is None or not entry.may_be_sent_to():
            return challenge, subject
        self._require_send_allowed(challenge, now)
        walk = self._walk(challenge, subject, now)
        moved = self._cascade.advance(walk, [replace(entry, state="waiting")], Reason.USER_REQUEST)
        if challenge.channel is not None:
            if not moved and walk.challenge.channel == channel:
                failed = walk.challenge.entry(channel)
                walk.prompt(challenge.channel, failed.reason if failed is not None else None)
            walk.miss(challenge.channel)
        if not moved and not walk.events:
            return challenge, subject
        return self._store(walk), subject

    def deadline_passed(self, challenge_id: str) -> Challenge | None:
        """The worker's part: expire it, or switch it since its message brought no answer in time.

        Safe to call again after a crash at any point. Returns the challenge, `None` if it is gone.
        """
        challenge = self._challenges.get(challenge_id, None)
        if challenge is None:
            self._challenges.forget_due(challenge_id)
            return None
        now = self._clock()
        if challenge.status == "pending" and now >= challenge.expires_at:
            expired = challenge.expired(now)
            told = {"country": expired.country, "verifications": expired.has_verification()}
            event = challenge_event("expired", expired, now, **told)
            self._challenges.save(expired, [event], now=now, due_at=None)
            return expired
        if challenge.status != "pending":
            self._challenges.forget_due(challenge_id)
            return challenge
        walk = self._walk(challenge, self._challenges.open(challenge), now)
        probe = next((e.channel for e in challenge.entries if e.probe and e.state == "skipped"), None)
        if probe is not None:
            self._cascade.probe(walk, probe)
            return self._store(walk)
        present = challenge.entry(challenge.channel) if challenge.channel else None
        if present is not None and present.state == "waiting" and TRAITS[present.channel].delivered:
            # Its sender died between claiming the send and making it.
            candidates: Sequence[Entry] = [present, *_after(challenge, present.channel)]
            self._cascade.advance(walk, candidates, None)
        elif present is not None and TRAITS[present.channel].delivered:
            candidates = _after(challenge, present.channel)
            if candidates:
                reason = Reason.DRILL if challenge.was_lost(present.channel) else Reason.NOT_DELIVERED
                walk.challenge = challenge.left(present.channel, reason)
                if not self._cascade.advance(walk, candidates, reason) and walk.limited is not None:
                    walk.prompt(present.channel, Reason.UNDELIVERABLE)  # a code may still arrive there
        return self._store(walk)

    def delivery_failed(self, challenge_id: str, channel: Channel, ref: str) -> int | None:
        """A report says that a message of the verification `ref` did not arrive: switch at once.

        Safe to call again. Returns when the message was sent (ms), `None` if that is not known any more.

        Raises:
            StateConflict: others kept changing the challenge.
        """
        challenge = self._challenges.get(challenge_id, None)
        entry = challenge.entry(channel) if challenge else None
        if challenge is None or entry is None or entry.ref != ref:
            return None
        now = self._clock()
        if challenge.status_at(now) != "pending" or entry.state != "sent":
            return entry.sent_at
        walk = self._walk(challenge, self._challenges.open(challenge), now)
        walk.challenge = challenge.not_delivered(channel)
        walk.events.append(challenge_event("delivery_failed", challenge, now, failed=channel))
        if challenge.channel == channel:
            self._cascade.advance(walk, _after(challenge, channel), Reason.DELIVERY_FAILED)
        self._store(walk)
        return entry.sent_at

    def _require_way(self, walk: Walk, before: Channel, *, moved: bool) -> None:
        """Where a limit held up the only message, the prompt goes back to where a code was sent before.

        Raises:
            RateLimited: it did. That is stored.
        """
        if moved or walk.limited is None:
            return
        walk.prompt(before, Reason.UNDELIVERABLE)
        self._store(walk)
        raise rate_limited(walk.limited)

    def _pending(self, application: str, challenge_id: str) -> tuple[Challenge, Subject, int]:
        challenge, subject = self.get(application, challenge_id)
        now = self._clock()
        challenge.require_pending(now)
        return challenge, subject, now

    def _may_widen(self, challenge: Challenge, subject: Subject, channel: Channel) -> bool:
        """Whether a channel may be used that the plan does not name.

        What keeps one way to the phone shut, be it operators or a suspicion, holds for the others.
        """
        traits = TRAITS[channel]
        reached = subject.phone if traits.contact == "phone" else subject.email
        same = [entry for entry in challenge.entries if TRAITS[entry.channel].provider == traits.provider]
        shut = any(entry.reason in SHUTS_PROVIDER for entry in same)
        return reached is not None and not shut and channel in self._cascade.configured

    def _named(self, challenge: Challenge, named: Channel) -> list[Entry]:
        entry = challenge.entry(named)
        if entry is not None and entry.reason is Reason.CIRCUIT_OPEN and entry.state == "skipped":
            return [replace(entry, state="waiting", probe=False)]  # its route may be back by now
        if entry is None or entry.state == "skipped":
            raise InvalidInput(FieldFault("channel", f"{named} can't serve in this challenge"))
        return [entry]

    def _require_send_allowed(self, challenge: Challenge, now: int) -> None:
        if challenge.sends >= self._sends:
            left = challenge.sends_standing(now, self._sends)
            text = "This challenge has sent as often as it may. Answer it, or start another."
            raise SendsExhausted(text, retry_after=max(1, left.reset), standings=[left])
        if now < challenge.resend_at:
            seconds = -(-(challenge.resend_at - now) // 1000)
            left = challenge.sends_standing(now, self._sends)
            text = f"Wait {seconds} s before asking for another message."
            raise ResendTooSoon(text, retry_after=seconds, standings=[left])

    def _walk(self, challenge: Challenge, subject: Subject, now: int) -> Walk:
        drill = self._drills.running() if challenge.drill else None
        if drill is not None and not drill.runs(now):
            drill = None
        trouble = self._gates.trouble()
        return self._cascade.begin(challenge, subject, now, claim=self._claim, trouble=trouble, drill=drill)

    def _claim(self, challenge: Challenge, events: list[Event]) -> Challenge:
        """Store the intent to send, so that of two requests at once only one sends."""
        now = self._clock()
        due_at = next_due(challenge, now, self._delivery_deadline)
        if not self._challenges.save(challenge, events, now=now, due_at=due_at):
            raise _conflict()
        events.clear()
        return challenge.next_version()

    def _store(self, walk: Walk) -> Challenge:
        """Store where a walk came to, on top of attempts made meanwhile."""
        challenge = walk.challenge
        for _ in range(_SAVE_TRIES):
            now = self._clock()
            due_at = next_due(challenge, now, self._delivery_deadline)
            if challenge.channel is not None and not _after(challenge, challenge.channel):
                due_at = challenge.expires_at
            if self._challenges.save(challenge, walk.events, now=now, due_at=due_at):
                return challenge.next_version()
            fresh = self._challenges.get(challenge.id, None)
            if fresh is None:
                raise NotFound("challenge")
            fresh.require_pending(now)
            rebased = challenge.rebased(fresh)
            if rebased is None:
                break
            challenge = rebased
        raise _conflict()


def _after(challenge: Challenge, channel: Channel | None) -> list[Entry]:
    """The entries that may still be turned to, behind a channel in the plan's order."""
    channels = [entry.channel for entry in challenge.entries]
    start = channels.index(channel) + 1 if channel in channels else 0
    return [entry for entry in challenge.entries[start:] if entry.state in ("waiting", "ready")]


def _conflict() -> StateConflict:
    return StateConflict("Somebody else changed this challenge at the same moment.", retry_after=1)
