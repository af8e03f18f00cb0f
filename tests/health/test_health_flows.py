"""Health at work, with time in the test's hand: real Valkey, real sandbox, an injected clock."""

import base64
import secrets

import pytest

from service.app import build
from service.core import build_core
from service.domain.audit import Who
from service.domain.channels import Channel
from service.domain.contacts import Email, Phone
from service.domain.errors import CheckUnavailable, StoreUnavailable
from service.domain.mode import Mode, Scope
from service.flows import gates
from service.flows.start import StartRequest
from service.settings import Settings
from tests.support.stack import Stack

ROUTE = "twilio_verify/sms/+91"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds):
        self.now += int(seconds * 1000)


@pytest.fixture(scope="module")
def server():
    stack = Stack()
    stack.start_valkey()
    stack.start_sandbox()
    yield stack
    stack.stop()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def process(server, clock, monkeypatch):
    """Makes processes of the service: each has its own memory, all share Valkey and the clock."""
    server.redis().flushall()
    server.sandbox.reset()
    for name, value in server.env.items():
        if name.startswith(("OTP_", "TWILIO_", "REDIS_", "SMTP_", "MAIL_")):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("OTP_SEND_DEADLINE", "0.3")
    monkeypatch.setenv("OTP_MASTER_KEYS", "k1:" + base64.b64encode(b"m" * 32).decode())

    def make(**env):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return build(build_core(Settings.load(), clock=clock, random_bytes=secrets.token_bytes))

    return make


@pytest.fixture
def services(process):
    return process()


_numbers = iter(range(10_000, 99_999))


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Who decides goes on to, however long a busy machine takes from one step to the next."""
    monkeypatch.setattr("service.store.health.LEASE", 60_000)


def start(services, *, email=True, phone=None, **fields):
    n = next(_numbers)
    request = StartRequest(
        application="default",
        user_id=f"u{n}",
        phone=Phone(phone or f"+9198765{n}", "+91" if not phone else "+1"),
        email=Email(f"u{n}@mail.example") if email else None,
        **fields,
    )
    return services.start(request)[0]


def decide(services, clock, seconds=0.0):
    """Let time pass and the worker decide."""
    clock.pass_(seconds)
    assert services.decide_health.step([services.tell_vendor.note])
    services.change._gates._read_at = float("-inf")  # as if its half second had passed


def state(services, route=ROUTE):
    return services.health.states()[route].state


def half_a_second_passes(services, server):
    """For the spacing of probes, which Redis counts in real time."""
    for key in server.redis().scan_iter("otp:{health}:probe:*"):
        server.redis().delete(key)
    services.change._gates._refused_until.clear()


def open_route(services, server, clock, kind="http_503"):
    server.sandbox.fail(kind)
    for _ in range(5):
        start(services)
    decide(services, clock)
    assert state(services) == "open"


def test_five_faults_open_and_nothing_is_sent(services, server, clock):
    open_route(services, server, clock)
    asked = server.sandbox.count("send")
    challenge = start(services)
    assert challenge.channel == Channel.EMAIL
    assert [(s.source, s.to, s.reason) for s in challenge.switches] == [("sms", "email", "circuit_open")]
    assert server.sandbox.count("send") == asked
    assert start(services, phone="+14155550123").entries[0].state == "failed"  # another country is tried


def test_faults_of_numbers_and_throttling_do_not_count(services, server, clock):
    for kind in ("landline", "throttled", "geo"):
        server.sandbox.fail(kind)
        for _ in range(4):
            start(services)
        server.sandbox.heal()
    decide(services, clock)
    assert ROUTE not in services.health.states() or state(services) == "closed"


def test_a_probe_is_hedged_and_its_code_is_accepted(services, server, clock):
    open_route(services, server, clock)
    server.sandbox.heal()
    decide(services, clock, 16)
    assert state(services) == "half_open"
    challenge = start(services)
    assert challenge.channel == Channel.EMAIL  # prompted at once
    (sms,) = [e for e in challenge.entries if e.channel == "sms"]
    assert sms.probe
    phone = services.challenges.open(challenge).phone.e164
    assert server.sandbox.messages(to=phone) == []
    (due,) = services.challenges.claim_due(clock(), lease=1000, limit=10)
    assert due == challenge.id
    after = services.change.deadline_passed(challenge.id)
    assert after.channel == Channel.EMAIL
    assert set(after.accepts(clock())) == {"sms", "email"}
    code = server.sandbox.code(phone)
    assert services.verify("default", challenge.id, code, None).challenge.approved_by == Channel.SMS


def test_one_probe_in_half_a_second_for_all_processes(process, server, clock, monkeypatch):
    monkeypatch.setattr(
        gates, "PROBE_SPACING", 60_000
    )  # Redis counts in real time, and this machine may be slow
    one, other = process(), process()
    open_route(one, server, clock)
    decide(one, clock, 16)
    probes = [
        any(e.probe for e in start(services).entries)
        for services in (one, other, one, other)
        for _ in range(3)
    ]
    assert probes.count(True) == 1


def test_who_has_nothing_else_gets_the_probe_as_a_send(services, server, clock):
    open_route(services, server, clock)
    assert start(services, email=False).status == "failed"
    server.sandbox.heal()
    decide(services, clock, 16)
    challenge = start(services, email=False)
    assert (challenge.status, challenge.channel) == ("pending", Channel.SMS)


def test_five_good_probes_close_and_traffic_returns_by_a_ramp(services, server, clock):
    open_route(services, server, clock)
    server.sandbox.heal()
    decide(services, clock, 16)
    for _ in range(5):
        half_a_second_passes(services, server)
        challenge = start(services)
        services.change.deadline_passed(challenge.id)
    decide(services, clock)
    assert state(services) == "closed"
    shares = []
    for _ in range(3):
        began = [start(services) for _ in range(60)]
        sms = [challenge for challenge in began if challenge.channel == Channel.SMS]
        shares.append(len(sms) / len(began))
        for challenge in sms:
            code = server.sandbox.code(services.challenges.open(challenge).phone.e164)
            assert services.verify("default", challenge.id, code, None).valid
        decide(services, clock, 21)
    assert shares[0] < 0.3 < shares[1] < 0.7 < shares[2] + 0.01
    assert shares[2] == 1.0


def test_a_failed_probe_opens_again_for_longer(services, server, clock):
    open_route(services, server, clock)
    decide(services, clock, 16)
    challenge = start(services)
    services.change.deadline_passed(challenge.id)
    decide(services, clock)
    reopened = services.health.states()[ROUTE]
    assert (reopened.state, reopened.reason) == ("open", "probe_failed")
    assert reopened.next_probe_at - reopened.since == 30_000


def test_an_event_counts_once_though_the_decider_dies(process, server, clock):
    one, other = process(), process()
    server.sandbox.fail("http_503")
    for _ in range(4):
        start(one)
    assert one.decide_health.step()
    assert not other.decide_health.step()  # one decides
    start(one)
    # It reads the fifth fault and dies before it has saved.
    one.health.save = lambda *_args: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        one.decide_health.step()
    server.redis().delete("otp:{health}:leader")  # its lease ends
    clock.pass_(4)
    assert other.decide_health.step()
    (event,) = [e for e in server.events() if e["type"] == "provider.circuit_open"]
    assert (event["route"], event["reason"]) == (ROUTE, "consecutive_faults")
    assert state(other) == "open"


def test_a_decider_that_lost_its_lease_changes_nothing(process, server, clock):
    one, other = process(), process()
    start(one)
    decide(one, clock)
    server.redis().delete("otp:{health}:leader")
    assert other.decide_health.step()
    known = server.redis().get("otp:{health}:knowledge")
    clock.pass_(2)
    assert not one.decide_health.step()
    assert server.redis().get("otp:{health}:knowledge") == known


def test_silent_loss_opens_although_everybody_got_in(services, server, clock):
    """Every user answers by e-mail, so no send is left unanswered: the outage must not hide."""
    server.sandbox.fail("not_delivered", operation="send", country="+91")
    waiting = []
    for _ in range(120):
        waiting.append(start(services))
        if len(waiting) > 10:
            old = waiting.pop(0)
            services.change.switch("default", old.id, Channel.EMAIL)
            mail = server.sandbox.messages(to=services.challenges.open(old).email.address, wait=5)[0]
            assert services.verify("default", old.id, mail["code"], None).valid
        decide(services, clock, 2.5)
        if state(services) == "open":
            break
    assert state(services) == "open"
    assert services.health.states()[ROUTE].reason == "not_arriving"


def test_did_not_get_it_is_a_failure(services, server, clock):
    challenge = start(services)
    clock.pass_(31)
    services.change.resend("default", challenge.id)
    decide(services, clock)
    (missed,) = [e for e in server.events() if e["type"] == "challenge.missed"]
    assert (missed["missed"], missed["country"]) == ("sms", "+91")
    evidence = services.health.states()[ROUTE].evidence
    assert (evidence.failed, evidence.open) == (1, 1)


def test_impatience_is_not_a_failure(services, server, clock):
    challenge = start(services)
    clock.pass_(2)
    services.change.switch("default", challenge.id, Channel.EMAIL)
    decide(services, clock)
    assert services.health.states()[ROUTE].evidence.failed == 0


def test_an_answer_counts_for_its_route(services, server, clock):
    challenge = start(services)
    phone = services.challenges.open(challenge).phone.e164
    clock.pass_(9)
    assert services.verify("default", challenge.id, server.sandbox.code(phone), None).valid
    decide(services, clock)
    evidence = services.health.states()[ROUTE].evidence
    assert (evidence.approved, evidence.open, evidence.failed) == (1, 0, 0)
    decide(services, clock, 100)
    assert services.health.states()[ROUTE].evidence.approved == 0


# The check


def test_the_check_has_a_breaker_of_its_own(services, server, clock):
    challenges = [start(services) for _ in range(7)]
    server.sandbox.fail("http_503", operation="check")

    def check(challenge):
        with pytest.raises(CheckUnavailable):
            services.verify("default", challenge.id, "000000", None)

    for challenge in challenges[:5]:
        check(challenge)
    decide(services, clock)
    assert state(services, "twilio_verify/check") == "open"
    assert state(services) == "closed"
    asked = server.sandbox.count("check")
    check(challenges[5])
    assert server.sandbox.count("check") == asked
    server.sandbox.heal()
    decide(services, clock, 16)
    for challenge in challenges[:5]:
        half_a_second_passes(services, server)
        phone = services.challenges.open(challenge).phone.e164
        assert services.verify("default", challenge.id, server.sandbox.code(phone), None).valid
    decide(services, clock)
    assert state(services, "twilio_verify/check") == "closed"


def test_a_check_that_says_404_is_no_fault(services, server, clock):
    first = start(services)
    phone = services.challenges.open(first).phone
    second = services.start(
        StartRequest(application="default", user_id="twice", phone=phone, email=Email("t@mail.example"))
    )[0]
    code = server.sandbox.code(phone.e164)
    assert services.verify("default", first.id, code, None).valid
    assert not services.verify("default", second.id, code, None).valid
    decide(services, clock)
    assert services.health.states()["twilio_verify/check"].evidence.faults == 0


# What the vendor is told


def told(services, clock):
    decide(services, clock)
    for challenge_id in services.tell_vendor.claim():
        services.tell_vendor(challenge_id)


def test_a_verification_answered_elsewhere_is_cancelled(services, server, clock):
    challenge = start(services)
    services.change.switch("default", challenge.id, Channel.EMAIL)
    mail = server.sandbox.messages(to=services.challenges.open(challenge).email.address, wait=5)[0]
    services.verify("default", challenge.id, mail["code"], None)
    told(services, clock)
    ref = challenge.entry(Channel.SMS).ref
    assert server.sandbox.counters()["updates"] == {ref: ["canceled"]}
    told(services, clock)
    clock.pass_(31)
    told(services, clock)
    assert server.sandbox.count("update") == 1  # once


def test_a_verification_answered_with_our_own_code_is_approved(process, server, clock):
    services = process(OTP_TWILIO_CUSTOM_CODE="true")
    challenge = start(services)
    phone = services.challenges.open(challenge).phone.e164
    assert services.verify("default", challenge.id, server.sandbox.code(phone), None).valid
    assert server.sandbox.count("check") == 0
    told(services, clock)
    assert server.sandbox.counters()["updates"] == {challenge.entry(Channel.SMS).ref: ["approved"]}


def test_what_the_provider_approved_itself_it_is_not_told(services, server, clock):
    challenge = start(services)
    phone = services.challenges.open(challenge).phone.e164
    assert services.verify("default", challenge.id, server.sandbox.code(phone), None).valid
    told(services, clock)
    assert server.sandbox.count("update") == 0


def test_a_shared_verification_lives_until_its_last_challenge_ends(services, server, clock):
    first = start(services)
    phone = services.challenges.open(first).phone
    second = services.start(StartRequest(application="default", user_id="shares", phone=phone))[0]
    assert first.entry(Channel.SMS).ref == second.entry(Channel.SMS).ref
    services.change.cancel("default", first.id)
    told(services, clock)
    assert server.sandbox.count("update") == 0
    assert services.verify("default", second.id, server.sandbox.code(phone.e164), None).valid
    clock.pass_(31)
    told(services, clock)
    assert server.sandbox.counters()["updates"] in ({}, {first.entry(Channel.SMS).ref: []})


def test_telling_is_tried_again_after_an_outage(services, server, clock):
    challenge = start(services)
    services.change.cancel("default", challenge.id)
    server.sandbox.fail("http_503", operation="update")
    told(services, clock)
    server.sandbox.heal()
    told(services, clock)
    assert server.sandbox.counters()["updates"] == {}  # its lease has not ended
    clock.pass_(31)
    told(services, clock)
    assert server.sandbox.counters()["updates"] == {challenge.entry(Channel.SMS).ref: ["canceled"]}


# Carriers, modes, changes


def test_one_carrier_is_shut_alone(services, server, clock):
    carrier, other = "404-10", "405-840"
    key = services.enroll._users.number_key

    def known(n, by):
        phone = f"+9190000{n}"
        from service.store import keys

        server.redis().set(keys.carrier(key(phone)), by)
        return phone

    server.sandbox.fail("http_503")
    for n in range(10_000, 10_005):
        phone = Phone(known(n, carrier), "+91")
        services.start(StartRequest(application="default", user_id=f"c{n}", phone=phone))
    # The country's route is opened as well; a carrier's own trouble shows when the rest is well.
    server.sandbox.heal()
    decide(services, clock)
    states = services.health.states()
    assert states[f"{ROUTE}/{carrier}"].state == "open"
    raw = server.redis().hget("otp:{health}:states", f"{ROUTE}/{carrier}")
    server.redis().delete("otp:{health}:states")
    server.redis().hset("otp:{health}:states", f"{ROUTE}/{carrier}", raw)

    def start_with(n, by):
        return services.start(
            StartRequest(
                application="default",
                user_id=f"d{n}",
                phone=Phone(known(n, by), "+91"),
                email=Email(f"d{n}@mail.example"),
            )
        )[0]

    asked = server.sandbox.count("send")
    shut = start_with(20_000, carrier)
    assert shut.channel == Channel.EMAIL
    assert shut.switches[0].reason == "circuit_open"
    assert server.sandbox.count("send") == asked
    assert start_with(20_001, other).channel == Channel.SMS


def test_operators_overrule(services, server, clock):
    open_route(services, server, clock)
    server.sandbox.heal()
    services.mode.put(Mode.PRIMARY_ONLY, Scope(), reason="x", who=Who("x"), expires_in=None)
    assert start(services).channel == Channel.SMS


def test_a_resend_over_an_open_route_moves_on(services, server, clock):
    challenge = start(services)
    open_route(services, server, clock)
    asked = server.sandbox.count("send")
    clock.pass_(31)
    services.change._gates._read_at = float("-inf")
    after, _ = services.change.resend("default", challenge.id)
    assert after.channel == Channel.EMAIL
    assert after.switches[-1].reason == "circuit_open"
    assert server.sandbox.count("send") == asked


def test_a_channel_that_was_shut_may_be_named_once_it_is_back(services, server, clock):
    open_route(services, server, clock)
    challenge = start(services)
    server.sandbox.heal()
    server.redis().delete("otp:{health}:states")
    services.change._gates._read_at = float("-inf")
    clock.pass_(31)
    after, _ = services.change.switch("default", challenge.id, Channel.SMS)
    assert after.channel == Channel.SMS
    assert after.entry(Channel.SMS).state == "sent"


def test_a_listener_that_fails_does_not_keep_health_from_being_decided(services):
    heard = []

    def broken(events):
        raise KeyError("route")

    def away(events):
        raise StoreUnavailable

    start(services)
    assert services.decide_health.step([broken, heard.extend])
    assert heard
    read = len(heard)
    start(services)
    with pytest.raises(StoreUnavailable):
        services.decide_health.step([away])
    assert services.decide_health.step([heard.extend])  # what was raised for is read again
    assert len(heard) > read


@pytest.mark.parametrize("kept", [False, True], ids=["refused", "answer lost"])
def test_a_save_that_fails_loses_nothing(services, server, clock, monkeypatch, kept):
    """What was decided, counted and told is decided again, or told from what was kept."""
    decide(services, clock)
    server.sandbox.fail("http_503")
    for _ in range(6):
        start(services)
    save, health = services.health.save, services.decide_health._health

    def failing(*args):
        if kept:
            save(*args)
        monkeypatch.setattr(health, "save", save)
        raise StoreUnavailable

    monkeypatch.setattr(health, "save", failing)
    with pytest.raises(StoreUnavailable):
        services.decide_health.step([services.incidents.note])
    server.redis().delete("otp:{health}:leader")  # its lease is over
    for _ in range(3):
        assert services.decide_health.step([services.incidents.note])
    assert state(services) == "open"
    opened = [event for event in server.events() if event["type"] == "provider.circuit_open"]
    assert [event["route"] for event in opened] == [ROUTE]
    (incident,) = services.incidents.all()
    assert set(incident.troubled) == {ROUTE}
    assert sum(minute.started for minute in services.traffic(1).columns) == 6


def test_an_event_that_nobody_can_read_is_passed_over(services, server, clock):
    server.redis().xadd(
        "otp:{00}:outbox",
        {"type": "challenge.approved", "at": clock.now, "data": b'{"id":"x","sends":["?"]}'},
    )
    server.sandbox.fail("http_503")
    for _ in range(6):
        start(services)
    decide(services, clock)
    assert state(services) == "open"


def test_what_was_learned_survives_a_successor_that_cannot_tell(process, server, clock, monkeypatch):
    """The one before died with something untold; telling it fails at first."""
    first = process()
    server.sandbox.fail("http_503")
    for _ in range(6):
        start(first)

    def refuse(_events):
        raise StoreUnavailable

    monkeypatch.setattr(first.decide_health._health, "tell", refuse)
    with pytest.raises(StoreUnavailable):
        first.decide_health.step()
    second = process()
    server.redis().delete("otp:{health}:leader")
    tell = second.decide_health._health.tell
    monkeypatch.setattr(second.decide_health._health, "tell", refuse)
    with pytest.raises(StoreUnavailable):
        second.decide_health.step()
    assert not second.decide_health.decides
    monkeypatch.setattr(second.decide_health._health, "tell", tell)
    server.redis().delete("otp:{health}:leader")
    assert second.decide_health.step()
    assert state(second) == "open"
    assert [e["type"] for e in server.events() if e["type"].startswith("provider.circuit")] == [
        "provider.circuit_open"
    ]
