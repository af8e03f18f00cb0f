"""A challenge and its transitions, pure: each returns a new challenge, one version on.

The one-letter names are what stands in Redis (a challenge has to fit in 1 KiB there); `verify.lua` and
`settle.lua` read and write the same fields. What equals its default is left out there. Times are
milliseconds since the epoch.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Self

from msgspec import Struct, field
from msgspec.structs import replace

from service.domain.channels import PRIMARY_PROVIDER, TRAITS, Assurance, Channel
from service.domain.contacts import Email, Phone
from service.domain.errors import ChallengeEnded
from service.domain.failures import Reason
from service.domain.limits import ATTEMPTS, SENDS, Standing

Status = Literal["pending", "approved", "expired", "locked", "canceled", "failed"]
State = Literal["waiting", "sent", "ready", "failed", "skipped"]

NOWHERE = "-"  # the country of a challenge without a phone


class Entry(Struct, frozen=True, omit_defaults=True):
    """One channel of the plan.

    Attributes:
        opened: its code is accepted, now and until the challenge ends.
        uncertain: opened by a send that failed, so that a provider's silence about a code is no news.
        own_code: the code was made here (`CustomCode`), so it is checked here.
        ref: the provider's id of the verification (`VE...`).
        sent_at: when the provider took the last send.
        probe: sent, or to be sent, to see whether its route is back; the prompt is another channel's.
        missed: the user said of the last send that it did not arrive.
        carrier: who carried the last send (`404-10`, mobile country and network code), where known.

    """

    channel: Channel = field(name="c")
    state: State = field(name="s", default="waiting")
    reason: Reason | None = field(name="r", default=None)
    opened: bool = field(name="o", default=False)
    uncertain: bool = field(name="x", default=False)
    own_code: bool = field(name="k", default=False)
    ref: str | None = field(name="v", default=None)
    sent_at: int = field(name="sa", default=0)
    probe: bool = field(name="p", default=False)
    missed: bool = field(name="nr", default=False)
    carrier: str | None = field(name="ca", default=None)

    def may_be_sent_to(self) -> bool:
        """Whether somebody who asks for it can have it: it was not refused, or its route may be back."""
        return self.state != "skipped" or self.reason is Reason.CIRCUIT_OPEN


class Switch(Struct, frozen=True):
    """The challenge's prompt moved from one channel to another."""

    source: Channel = field(name="f")
    to: Channel = field(name="t")
    reason: Reason = field(name="r")
    at: int


class Subject(NamedTuple):
    """Whom a challenge is about and what its caller said of it: sealed in the store, never logged."""

    user_id: str
    phone: Phone | None = None
    email: Email | None = None
    action: str | None = None
    client_ip: str | None = None
    metadata: dict[str, str] | None = None
    to: str | None = None  # the number or address that the caller named in place of a user


class Challenge(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One request to prove a second factor."""

    id: str
    application: str = field(name="a")
    user: str = field(name="u")  # keyed hash of the user id
    sealed: str = field(name="z")  # the `Subject`, which only the store opens
    country: str = field(name="cc", default=NOWHERE)  # calling code of the phone, for the route
    locale: str = field(name="l", default="en")
    min_assurance: Assurance = field(name="ma", default="aal1")
    status: Status = field(name="st")
    channel: Channel | None = field(name="ch", default=None)
    entries: tuple[Entry, ...] = field(name="cs")
    switches: tuple[Switch, ...] = field(name="sw", default=())
    created_at: int = field(name="at")
    expires_at: int = field(name="ex")
    resend_at: int = field(name="ra", default=0)
    sends: int = field(name="ns", default=0)
    attempts: int = field(name="n", default=0)
    max_attempts: int = field(name="m")
    in_flight: int = field(name="q", default=0)  # attempts counted but not settled
    reserved_at: int = field(name="qt", default=0)
    refunds: int = field(name="rf", default=0)
    approved_by: Channel | None = field(name="by", default=None)
    ended_at: int = field(name="en", default=0)
    no_fallback: bool = field(name="nf", default=False)  # of its user: nothing but the primary provider
    drill: str | None = field(name="dr", default=None)  # the rehearsal that it takes part in
    block: str | None = field(name="px", default=None)  # keyed hash of the block that its number is in
    origin: str | None = field(name="ip", default=None)  # keyed hash of the network address that it is for
    sent_log: tuple[tuple[Channel, int], ...] = field(name="sl", default=())  # messages taken, and when
    vouched: bool = field(name="vo", default=False)  # canceled, since its caller says that it was answered
    version: int = field(name="v", default=0)

    # What is so

    def status_at(self, now: int) -> Status:
        """The status, an elapsed life counted in: nothing has to run for a challenge to expire."""
        return "expired" if self.status == "pending" and now >= self.expires_at else self.status

    def require_pending(self, now: int) -> None:
        """Raise `ChallengeEnded` unless the challenge can still be answered."""
        if (status := self.status_at(now)) != "pending":
            raise ChallengeEnded(status)

    def accepts(self, now: int) -> tuple[Channel, ...]:
        """The channels whose code would be accepted now."""
        if self.status_at(now) != "pending":
            return ()
        return tuple(entry.channel for entry in self.entries if entry.opened)

    def entry(self, channel: Channel) -> Entry | None:
        """The plan's entry for a channel."""
        return next((entry for entry in self.entries if entry.channel == channel), None)

    def watched_sends(self) -> dict[str, tuple[int, str | None]]:
        """The sends that health waits for, by channel: when, and by which carrier (as in `lib.lua`)."""
        return {
            e.channel.value: (e.sent_at, e.carrier)
            for e in self.entries
            if e.sent_at and not e.missed and (self.drill is None or e.ref is not None)
        }

    def has_verification(self) -> bool:
        """Whether the provider holds a verification for it, which it wants to know the end of."""
        return any(entry.ref is not None for entry in self.entries)

    def was_lost(self, channel: Channel) -> bool:
        """Whether the channel's message was only said to be sent, by a drill."""
        entry = self.entry(channel)
        if self.drill is None or entry is None or TRAITS[channel].provider != PRIMARY_PROVIDER:
            return False
        return entry.state == "sent" and entry.ref is None

    def attempts_remaining(self) -> int:
        """How many wrong codes are left before the challenge locks."""
        return max(0, self.max_attempts - self.attempts)

    def attempts_standing(self, now: int) -> Standing:
        """The codes that may still be tried, as a limit."""
        return self._standing(ATTEMPTS, now, self.max_attempts, self.attempts_remaining())

    def sends_standing(self, now: int, most: int) -> Standing:
        """The messages that may still be sent, of so many, as a limit."""
        return self._standing(SENDS, now, most, max(0, most - self.sends))

    def _standing(self, name: str, now: int, most: int, left: int) -> Standing:
        life, rest = self.expires_at - self.created_at, max(0, self.expires_at - now)
        return Standing(name, most, life // 1000, left, -(-rest // 1000))

    # What can happen

    def with_entry(self, channel: Channel, **changes: object) -> Self:
        """One entry changed; no new version, since this is always a part of something larger."""
        entries = tuple(
            replace(entry, **changes) if entry.channel == channel else entry for entry in self.entries
        )
        return replace(self, entries=entries)

    def prompting(self, channel: Channel, reason: Reason | None, at: int) -> Self:
        """The prompt moves to `channel`; told as a switch when it was on another one for a reason."""
        switches = self.switches
        if self.channel is not None and self.channel != channel and reason is not None:
            switches = (*switches, Switch(self.channel, channel, reason, at))
        return replace(self, channel=channel, switches=switches)

    def sending(self, channel: Channel, reason: Reason | None, at: int, cool_down: Sequence[int]) -> Self:
        """The prompt moves to a channel that is about to be sent to.

        Counted, and the code accepted, before it is done: a message may arrive before its provider has
        said that it took it. `cool_down`: ms until the next one, by how many there were before.
        """
        pause = cool_down[min(self.sends, len(cool_down) - 1)]
        moved = self.prompting(channel, reason, at)
        entry = self.entry(channel)
        if entry is not None and not entry.opened:
            moved = moved.with_entry(channel, opened=True, uncertain=True)
        return replace(moved, sends=self.sends + 1, resend_at=at + pause)

    def probing(self, channel: Channel) -> Self:
        """A channel is about to be sent to beside the prompt, which stays. No cool-down follows."""
        opened = self.with_entry(channel, state="waiting", reason=None, opened=True, uncertain=True)
        return replace(opened, sends=self.sends + 1)

    def sent(
        self, channel: Channel, at: int, *, ref: str | None, own_code: bool, carrier: str | None = None
    ) -> Self:
        """A send was accepted by its provider."""
        return replace(self, sent_log=(*self.sent_log, (channel, at))).with_entry(
            channel,
            state="sent",
            reason=None,
            opened=True,
            uncertain=False,
            own_code=own_code,
            ref=ref,
            sent_at=at,
            missed=False,
            carrier=carrier,
        )

    def send_failed(self, channel: Channel, reason: Reason, *, maybe_sent: bool, own_code: bool) -> Self:
        """A send failed; a code that may be on its way, or came by an earlier send, stays accepted."""
        entry = self.entry(channel)
        was_open = entry is not None and entry.opened and not entry.uncertain
        counted = self if maybe_sent else replace(self, sends=self.sends - 1)
        nothing_out = reason in (Reason.UNDELIVERABLE, Reason.CIRCUIT_OPEN, Reason.DRILL)
        return counted.with_entry(
            channel,
            state="failed",
            reason=reason,
            opened=was_open or not nothing_out,
            uncertain=not maybe_sent and not was_open,
            own_code=own_code,
        )

    def refused(self, channel: Channel, reason: Reason) -> Self:
        """Nothing is sent by a channel now; what it sent before stays accepted."""
        entry = self.entry(channel)
        state = "failed" if entry is not None and entry.opened else "skipped"
        return self.with_entry(channel, state=state, reason=reason)

    def left(self, channel: Channel, reason: Reason) -> Self:
        """The prompt leaves a channel that was sent to; its code stays accepted."""
        entry = self.entry(channel)
        if entry is None or entry.state != "sent" or reason == Reason.USER_REQUEST:
            return self
        return self.with_entry(channel, state="failed", reason=reason)

    def not_delivered(self, channel: Channel) -> Self:
        """A report says that a message did not arrive; its code stays accepted all the same."""
        return self.with_entry(channel, state="failed", reason=Reason.DELIVERY_FAILED, missed=True)

    def dead_end(self, at: int) -> Self:
        """No channel is left."""
        return replace(self, status="failed", ended_at=at)

    def canceled(self, at: int, *, vouched: bool = False) -> Self:
        """The caller ended it; `vouched`: it says that the user has proved it elsewhere. Not to us."""
        return replace(self, status="canceled", ended_at=at, vouched=vouched)

    def widened(self, channel: Channel) -> Self:
        """A channel that was not planned may be turned to as well, after the others."""
        return replace(self, entries=(*self.entries, Entry(channel)))

    def expired(self, at: int) -> Self:
        """Its life is over; recorded so that the event is told once."""
        return replace(self, status="expired", ended_at=at)

    def rebased(self, fresh: Self) -> Self | None:
        """This transition on top of attempts made meanwhile; `None` when more than that happened."""
        if (fresh.status, fresh.channel, fresh.switches, fresh.sends) != (
            "pending",
            self.channel,
            self.switches,
            self.sends,
        ):
            return None
        return replace(
            self,
            attempts=fresh.attempts,
            in_flight=fresh.in_flight,
            reserved_at=fresh.reserved_at,
            refunds=fresh.refunds,
            version=fresh.version,
        )

    def next_version(self) -> Self:
        """The same, to be stored as the successor of the present version."""
        return replace(self, version=self.version + 1)


def proven_by(channel: Channel) -> tuple[tuple[str, ...], Assurance, bool]:
    """What an approval by this channel is worth: `amr`, `assurance`, `restricted`."""
    traits = TRAITS[channel]
    return traits.amr, traits.assurance, traits.restricted


def why_not(entries: Iterable[Entry]) -> dict[str, str]:
    """For each channel that can't serve, the word that says why."""
    return {entry.channel.value: entry.reason.value for entry in entries if entry.reason is not None}
