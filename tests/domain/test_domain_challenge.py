"""A challenge's transitions: whatever is done in whatever order, what must hold holds."""

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from service.domain.challenge import Challenge, Entry, Switch, proven_by, why_not
from service.domain.channels import TRAITS, Channel, reaches
from service.domain.errors import ChallengeEnded
from service.domain.failures import Reason
from service.domain.limits import Limits

LIFE = 600_000
COOL_DOWN, MAX_ATTEMPTS = Limits().cool_down, Limits().attempts
MOVING = [reason for reason in Reason if reason.moves_on]


def challenge(*channels, **changes):
    entries = tuple(
        Entry(c) if TRAITS[c].delivered else Entry(c, "ready", opened=True) for c in channels or Channel
    )
    return Challenge(
        **{
            "id": "ch_00x",
            "application": "default",
            "user": "00user",
            "sealed": "k1.x",
            "status": "pending",
            "entries": entries,
            "created_at": 1_000,
            "expires_at": 1_000 + LIFE,
            "max_attempts": MAX_ATTEMPTS,
            **changes,
        }
    )


class Life(RuleBasedStateMachine):
    """Anything that can happen to a challenge, in any order, with time that passes."""

    def __init__(self):
        super().__init__()
        self.now = 1_000
        self.challenge = challenge()
        self.ended = None
        self.switches = 0

    def pending(self):
        return self.challenge.status == "pending"

    @rule(ms=st.integers(0, 50_000))
    def time_passes(self, ms):
        self.now += ms

    @precondition(pending)
    @rule(channel=st.sampled_from(list(Channel)), reason=st.sampled_from([None, *MOVING]))
    def prompt(self, channel, reason):
        before = self.challenge.channel
        self.challenge = self.challenge.prompting(channel, reason, self.now)
        self.switches += before is not None and before != channel and reason is not None

    @precondition(pending)
    @rule(
        channel=st.sampled_from([c for c in Channel if TRAITS[c].delivered]),
        reason=st.sampled_from([None, *MOVING]),
        failure=st.sampled_from([None, Reason.PROVIDER_ERROR, Reason.DEADLINE, Reason.UNDELIVERABLE]),
        maybe_sent=st.booleans(),
    )
    def send(self, channel, reason, failure, maybe_sent):
        before = self.challenge
        self.challenge = before.sending(channel, reason, self.now, COOL_DOWN)
        assert self.challenge.sends == before.sends + 1
        assert self.challenge.resend_at == self.now + COOL_DOWN[min(before.sends, 2)]
        moved = before.channel is not None and before.channel != channel and reason is not None
        self.switches += moved
        was_open = before.entry(channel).opened and not before.entry(channel).uncertain
        assert self.challenge.entry(channel).opened
        if failure is None:
            self.challenge = self.challenge.sent(channel, self.now, ref="VE1", own_code=False)
            assert self.challenge.entry(channel).opened
        else:
            maybe_sent = maybe_sent and failure is not Reason.UNDELIVERABLE
            self.challenge = self.challenge.send_failed(
                channel, failure, maybe_sent=maybe_sent, own_code=False
            )
            entry = self.challenge.entry(channel)
            assert (entry.state, entry.reason) == ("failed", failure)
            if was_open or maybe_sent:
                assert entry.opened  # what may have arrived stays accepted
            if failure is Reason.UNDELIVERABLE and not was_open:
                assert not entry.opened

    @precondition(pending)
    @rule(channel=st.sampled_from(list(Channel)), reason=st.sampled_from(MOVING))
    def leave(self, channel, reason):
        before = self.challenge.entry(channel)
        self.challenge = self.challenge.left(channel, reason)
        assert self.challenge.entry(channel).opened == before.opened

    @precondition(pending)
    @rule(how=st.sampled_from(["canceled", "expired", "dead_end"]))
    def end(self, how):
        self.challenge = getattr(self.challenge, how)(self.now)
        self.ended = self.challenge

    @precondition(pending)
    @rule()
    def stored(self):
        self.challenge = self.challenge.next_version()

    @invariant()
    def what_is_stored_reads_back(self):
        raw = msgspec.json.encode(self.challenge)
        assert msgspec.json.decode(raw, type=Challenge) == self.challenge

    @invariant()
    def the_rest(self):
        c = self.challenge
        assert c.status_at(self.now) in ("pending", "expired", "canceled", "failed")
        assert set(c.accepts(self.now)) == (
            {e.channel for e in c.entries if e.opened} if c.status_at(self.now) == "pending" else set()
        )
        assert c.channel is None or c.entry(c.channel) is not None
        assert c.sends >= 0
        assert 0 <= c.attempts_remaining() <= MAX_ATTEMPTS
        assert len(c.switches) == self.switches
        assert [s.at for s in c.switches] == sorted(s.at for s in c.switches)
        assert all(s.source != s.to for s in c.switches)
        for channel in (Channel.TOTP, Channel.BACKUP_CODE):
            assert c.entry(channel).opened  # what the user holds is accepted from the first moment
        if self.ended is not None:
            assert c == self.ended
            with pytest.raises(ChallengeEnded):
                c.require_pending(self.now)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_it_expires_by_itself():
    c = challenge()
    assert c.status_at(c.expires_at - 1) == "pending"
    assert c.status_at(c.expires_at) == "expired"
    assert c.accepts(c.expires_at) == ()
    approved = msgspec.structs.replace(c, status="approved")
    assert approved.status_at(c.expires_at + 1) == "approved"


def test_cool_downs_are_30_60_120_seconds():
    c, waits = challenge(), []
    for _ in range(5):
        c = c.sending(Channel.SMS, None, 0, COOL_DOWN)
        waits.append(c.resend_at // 1000)
    assert waits == [30, 60, 120, 120, 120]


def test_a_transition_is_put_on_top_of_attempts_but_not_of_other_transitions():
    c = challenge(channel=Channel.SMS)
    moved = c.prompting(Channel.TOTP, Reason.NOT_DELIVERED, 5)
    guessed = msgspec.structs.replace(c, attempts=2, in_flight=1, reserved_at=7, refunds=1, version=3)
    # `rebased` takes the walk's start to be what is stored: the attempts are its only difference.
    onto = c.with_entry(Channel.SMS, state="sent").rebased(guessed)
    assert onto is not None
    assert (onto.attempts, onto.in_flight, onto.reserved_at, onto.refunds, onto.version) == (2, 1, 7, 1, 3)
    assert onto.entry(Channel.SMS).state == "sent"
    assert c.rebased(moved) is None
    assert c.rebased(c.canceled(9)) is None
    assert c.rebased(c.sending(Channel.SMS, None, 9, COOL_DOWN)) is None


@pytest.mark.parametrize(
    ("channel", "amr", "assurance", "restricted"),
    [
        ("sms", ("sms",), "aal2", True),
        ("voice", ("tel",), "aal2", True),
        ("whatsapp", ("otp",), "aal2", True),
        ("email", ("otp",), "aal1", False),
        ("totp", ("otp",), "aal2", False),
        ("backup_code", ("otp",), "aal2", False),
    ],
)
def test_what_an_approval_is_worth(channel, amr, assurance, restricted):
    assert proven_by(Channel(channel)) == (amr, assurance, restricted)


def test_assurance():
    assert reaches("aal2", "aal1")
    assert reaches("aal1", "aal1")
    assert not reaches("aal1", "aal2")


def test_why_not():
    entries = (
        Entry(Channel.SMS, "failed", Reason.DEADLINE),
        Entry(Channel.TOTP, "skipped", Reason.NOT_ENROLLED),
        Entry(Channel.EMAIL),
    )
    assert why_not(entries) == {"sms": "deadline", "totp": "not_enrolled"}


def test_defaults_take_no_room():
    raw = msgspec.json.encode(
        challenge(Channel.SMS, switches=(Switch(Channel.SMS, Channel.TOTP, Reason.MODE, 1),))
    )
    assert b"null" not in raw
    assert b"false" not in raw
    assert len(raw) < 250
