"""Limits at work: who is refused, who is switched, and who still gets in."""

import contextlib
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pyotp
import pytest

from service.domain.audit import Who
from service.domain.channels import Channel
from service.domain.codes import derive_code
from service.domain.contacts import Email, Phone
from service.domain.errors import (
    CheckUnavailable,
    NotFound,
    RateLimited,
    SendsExhausted,
    TooManyFailures,
    UserLocked,
)
from service.domain.failures import Reason
from service.domain.mode import Mode, Scope

OPERATOR = Who("test")
PREMIUM = "+19005551234"


def entry(challenge, channel):
    """How a channel of a challenge stands."""
    found = challenge.entry(channel)
    return SimpleNamespace(state=found.state, reason=found.reason)


def enrolled(services, user="ada"):
    pending = services.enroll.begin("default", user)
    app = pyotp.TOTP(pending.secret)
    _, codes = services.enroll.confirm("default", pending.id, app.at(services.core.clock() // 1000 - 30))
    return app, codes


def verify(services, challenge, code):
    return services.verify("default", challenge.id, code, None).valid


def guess(services, user="ada", **fields):
    """One wrong code, in a challenge of its own."""
    from service.flows.start import StartRequest

    challenge = services.start(StartRequest(application="default", user_id=user, **fields)).challenge
    return verify(services, challenge, "000000")


# Starting


def test_an_address_is_refused_and_others_are_not(services, start):
    ours = services(OTP_LIMIT_ADDRESS="3/1h")
    for _ in range(3):
        start(ours, client_ip="203.0.113.7")
    with pytest.raises(RateLimited) as refused:
        start(ours, client_ip="203.0.113.7")
    assert refused.value.extra == {"limit": "address"}
    assert refused.value.retry_after == 1200
    start(ours, client_ip="203.0.113.8")
    start(ours)


def test_hosts_of_one_ipv6_subscriber_share_a_limit(services, start):
    ours = services(OTP_LIMIT_ADDRESS="2/1h")
    start(ours, client_ip="2001:db8::1")
    start(ours, client_ip="2001:db8::2")
    with pytest.raises(RateLimited):
        start(ours, client_ip="2001:db8::3")


def test_an_application_is_refused_and_others_are_not(services, start):
    ours = services(OTP_LIMIT_APPLICATION="2/1h")
    start(ours)
    start(ours)
    with pytest.raises(RateLimited) as refused:
        start(ours)
    assert refused.value.extra == {"limit": "application"}
    start(ours, application="another")


def test_refused_starts_store_nothing(services, start, redis):
    ours = services(OTP_LIMIT_ADDRESS="1/1h")
    start(ours, client_ip="203.0.113.7")
    before = set(redis.scan_iter("otp:*:c:*")), [redis.xlen(key) for key in redis.scan_iter("*:outbox")]
    with pytest.raises(RateLimited):
        start(ours, client_ip="203.0.113.7")
    after = set(redis.scan_iter("otp:*:c:*")), [redis.xlen(key) for key in redis.scan_iter("*:outbox")]
    assert after == before


def test_limits_of_a_user_leave_an_app_that_needs_no_sending(services, start):
    ours = services(OTP_LIMIT_USER="2/1h")
    app, _ = enrolled(ours)
    for _ in range(2):
        start(ours, user="ada")
    switched = start(ours, user="ada").challenge
    assert entry(switched, Channel.SMS).reason is Reason.RATE_LIMITED
    assert [(s.source, s.to, s.reason) for s in switched.switches] == [("sms", "totp", "undeliverable")]
    assert verify(ours, switched, app.at(ours.core.clock() // 1000))
    # Who has nothing but a phone has to wait.
    for _ in range(2):
        start(ours, user="bob", phone="+14155550188")
    with pytest.raises(RateLimited) as refused:
        start(ours, user="bob", phone="+14155550188")
    assert refused.value.extra == {"limit": "user"}


def test_who_is_refused_uses_up_nothing_of_the_others(services, start):
    """Else one address could use up the whole application's limit."""
    ours = services(OTP_LIMIT_ADDRESS="1/1h", OTP_LIMIT_APPLICATION="3/1h")
    start(ours, client_ip="203.0.113.7")
    for _ in range(10):
        with pytest.raises(RateLimited) as refused:
            start(ours, client_ip="203.0.113.7")
        assert refused.value.extra == {"limit": "address"}
    start(ours, client_ip="203.0.113.8")
    start(ours)


def test_racing_starts_are_no_more_than_the_limit(services, start):
    ours = services(OTP_LIMIT_ADDRESS="5/1h")

    def one(_):
        try:
            return bool(start(ours, client_ip="203.0.113.7"))
        except RateLimited:
            return False

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(one, range(20))).count(True) == 5


# Sending


def test_a_number_gets_so_many_whoever_asks(services, start, clock, server):
    ours = services(OTP_LIMIT_NUMBER="4/1h")
    phone = "+14155550199"
    for n in range(4):
        if n == 2:
            clock.pass_(601)  # Twilio's own five are of one verification
        start(ours, phone=phone)
    asked = server.sandbox.count("send")
    other = start(ours, phone=phone, email=True).challenge
    assert other.channel == Channel.EMAIL
    assert entry(other, Channel.SMS).reason is Reason.RATE_LIMITED
    with pytest.raises(RateLimited) as refused:
        start(ours, phone=phone)
    assert refused.value.extra == {"limit": "number"}
    assert server.sandbox.count("send") == asked


def test_a_mailbox_gets_so_many_and_all_together(services, start, server):
    ours = services(OTP_LIMIT_NUMBER="4/1h", OTP_LIMIT_MAIL="6/1h")
    mailbox = Email("box@mail.example")
    for n in range(4):
        start(ours, email=mailbox, channels=[Channel.EMAIL], client_ip=f"203.0.113.{n}")
    with pytest.raises(RateLimited):
        start(ours, email=mailbox, channels=[Channel.EMAIL])
    for _ in range(2):
        start(ours, email=True, channels=[Channel.EMAIL])
    with pytest.raises(RateLimited) as refused:
        start(ours, email=True, channels=[Channel.EMAIL])
    assert refused.value.extra == {"limit": "mail"}
    assert server.sandbox.count("mail") == 6


def test_a_fallback_is_capped_too(services, start, server):
    """In an outage the mail quota is not drained: there is a cap on it, and it is told."""
    ours = services(OTP_LIMIT_MAIL="3/1h")
    server.sandbox.fail("http_503")
    channels = [start(ours, email=True).challenge.channel for _ in range(3)]
    assert channels == [Channel.EMAIL] * 3
    with pytest.raises(RateLimited):
        start(ours, email=True)


def test_spending_is_capped(services, start):
    ours = services(OTP_LIMIT_PHONE="2/1d")
    start(ours)
    start(ours)
    assert start(ours, email=True).challenge.channel == Channel.EMAIL


def test_a_resend_that_a_limit_holds_up_says_when(services, start, clock):
    ours = services(OTP_LIMIT_NUMBER="1/1h")
    challenge = start(ours).challenge
    clock.pass_(31)
    with pytest.raises(RateLimited) as refused:
        ours.change.resend("default", challenge.id)
    assert refused.value.retry_after == 3600 - 31
    fresh, _ = ours.change.get("default", challenge.id)
    assert fresh.status == "pending"
    assert fresh.accepts(clock()) == (Channel.SMS,)  # what was sent before stays valid


def test_resends_and_cool_downs_are_settings(services, start, clock):
    ours = services(OTP_MAX_SENDS="2", OTP_COOL_DOWN="5")
    challenge = start(ours).challenge
    assert challenge.resend_at == clock() + 5000
    clock.pass_(5)
    again, _ = ours.change.resend("default", challenge.id)
    assert again.resend_at == clock() + 5000
    clock.pass_(5)
    with pytest.raises(SendsExhausted) as exhausted:
        ours.change.resend("default", challenge.id)
    assert exhausted.value.retry_after == 590  # another challenge may, then


def test_attempts_are_a_setting(services, start):
    ours = services(OTP_MAX_ATTEMPTS="2")
    challenge = start(ours, email=True, channels=[Channel.EMAIL]).challenge
    assert not verify(ours, challenge, "000000")
    assert verify(ours, challenge, derive_code(ours.core.keyring.codes, challenge.id, "email"))


# Countries and numbers that earn


def test_numbers_that_earn_get_nothing_and_their_user_another_way(services, start, server):
    ours = services()
    switched = start(ours, phone=PREMIUM, email=True).challenge
    assert entry(switched, Channel.SMS).reason is Reason.NOT_ALLOWED
    assert switched.channel == Channel.EMAIL
    assert [(s.source, s.to, s.reason) for s in switched.switches] == [("sms", "email", "undeliverable")]
    every = start(ours, phone=PREMIUM, channels=[Channel.SMS, Channel.VOICE, Channel.WHATSAPP]).challenge
    assert every.status == "failed"
    assert {e.reason for e in every.entries} == {Reason.NOT_ALLOWED}
    assert server.sandbox.count("send") == 0


def test_only_countries_that_are_served(services, start, server):
    ours = services(OTP_COUNTRIES="US,+49")
    assert start(ours, phone="+14155550123").challenge.channel == Channel.SMS
    assert start(ours, phone="+4915112345678").challenge.channel == Channel.SMS
    jamaica = start(ours, phone="+18765551234", email=True).challenge
    assert jamaica.channel == Channel.EMAIL
    assert server.sandbox.count("send") == 2


# Wrong codes in a row


def test_a_guesser_waits_longer_each_time(services, clock):
    ours = services(OTP_FAILURES_USER="12")
    app, codes = enrolled(ours)
    for _ in range(12):
        assert guess(ours) is False
    waits = []
    for _ in range(10):
        with pytest.raises(TooManyFailures) as held:
            guess(ours)
        waits.append(held.value.retry_after)
        assert held.value.extra == {"accepts": ["backup_code"]}
        clock.pass_(held.value.retry_after)
        assert guess(ours) is False
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    # The right code is not compared meanwhile; what can't be guessed is.
    from service.flows.start import StartRequest

    challenge = ours.start(StartRequest(application="default", user_id="ada")).challenge
    with pytest.raises(TooManyFailures):
        verify(ours, challenge, app.at(clock() // 1000))
    assert verify(ours, challenge, codes[0])
    assert ours.core.failures.of(challenge.user).number == 0  # a success forgets
    again = ours.start(StartRequest(application="default", user_id="ada")).challenge
    assert verify(ours, again, app.at(clock() // 1000))


def test_who_guesses_from_one_address_stops_there_and_the_user_gets_in_elsewhere(services, clock, start):
    ours = services()
    app, _ = enrolled(ours)
    for _ in range(10):
        guess(ours, client_ip="203.0.113.66")
    with pytest.raises(TooManyFailures):
        guess(ours, client_ip="203.0.113.66")
    # Patience helps the guesser little: within a working day the user is not held up.
    tries = 0
    ends = clock() + 8 * 3_600_000
    while clock() < ends:
        try:
            guess(ours, client_ip="203.0.113.66")
            tries += 1
        except TooManyFailures as held:
            clock.pass_(held.retry_after)
    assert tries <= 16
    home = start(ours, user="ada", client_ip="198.51.100.4", channels=[Channel.TOTP]).challenge
    if tries < 10:
        assert verify(ours, home, app.at(clock() // 1000))


def test_a_success_forgets_what_was_wrong_before(services, clock, start):
    ours = services(OTP_FAILURES_USER="10")
    app, _ = enrolled(ours)
    for _ in range(4):
        for _ in range(9):
            assert guess(ours) is False
        clock.pass_(30)
        challenge = start(ours, user="ada", channels=[Channel.TOTP]).challenge
        assert verify(ours, challenge, app.at(clock() // 1000))


def test_racing_guesses_over_many_challenges_are_counted(services, start):
    """Before anything is compared, so that no burst slips through."""
    ours = services(OTP_FAILURES_USER="10")
    enrolled(ours)
    ids = [start(ours, user="ada", channels=[Channel.TOTP]).challenge for _ in range(8)]

    def one(n):
        try:
            return verify(ours, ids[n % 8], "000000")
        except TooManyFailures:
            return None

    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(one, range(40)))
    assert answers.count(False) == 10
    assert answers.count(None) == 30


def test_after_a_hundred_an_operator_is_needed(services, clock, start):
    ours = services(OTP_FAILURES_USER="98", OTP_FAILURES_LOCK="100")
    app, codes = enrolled(ours)
    for _ in range(100):
        try:
            guess(ours)
        except TooManyFailures as held:
            clock.pass_(held.retry_after)
            guess(ours)
    clock.pass_(365 * 86_400)
    challenge = start(ours, user="ada", channels=[Channel.TOTP, Channel.BACKUP_CODE]).challenge
    with pytest.raises(UserLocked) as locked:
        verify(ours, challenge, app.at(clock() // 1000))
    assert locked.value.extra == {"accepts": ["backup_code"]}
    assert not verify(ours, challenge, "AAAA-AAAA-AAAA-AAAA")  # compared, and told of no more
    events = [e.type for e in ours.health.read({})]
    assert events.count("user.locked") == 1
    assert ours.unlock("default", "ada", "knows her", OPERATOR).number == 100
    assert verify(ours, challenge, app.at(clock() // 1000))
    assert ours.audit.newest(1)[0]["action"] == "user.unlock"
    with pytest.raises(NotFound):
        ours.unlock("default", "ada", "again", OPERATOR)
    assert codes


def test_an_outage_of_the_check_counts_no_failure(services, start, server):
    ours = services(OTP_FAILURES_ADDRESS="3", OTP_FAILURES_USER="3")
    challenge = start(ours, user="ada").challenge
    server.sandbox.fail("http_503", operation="check")
    for _ in range(3):
        with pytest.raises(CheckUnavailable):
            verify(ours, challenge, "000000")
    assert ours.core.failures.of(challenge.user).number == 0


# Toll fraud


def decide(services, clock, seconds=0.0):
    clock.pass_(seconds)
    assert services.decide_health.step([services.toll_fraud.note, services.alerts.note])


def answer_by_sms(services, server, challenge, phone):
    assert services.verify("default", challenge.id, server.sandbox.code(phone), None).valid


def test_pumping_is_suspected_told_and_let_go(services, start, clock, server):
    """A block that never answers, beside people who do: one is switched, the others notice nothing."""
    ours = services(OTP_LIMIT_PREFIX="off")
    decide(ours, clock)
    for n in range(40):
        start(ours, phone=f"+44791155{n:04d}")  # all in one block
        for k in range(2):  # people, from everywhere
            phone = f"+4477{n:02d}{k}00{n:03d}"
            answer_by_sms(ours, server, start(ours, phone=phone).challenge, phone)
        decide(ours, clock, 6)
    route = "twilio_verify/sms/+44"
    assert ours.health.states()[route].state == "closed"
    switched = start(ours, phone="+447911559999", email=True).challenge
    assert entry(switched, Channel.SMS).reason is Reason.FRAUD_SUSPECTED
    assert switched.channel == Channel.EMAIL
    every = start(ours, phone="+447911559998", channels=[Channel.SMS, Channel.VOICE], email=True).challenge
    assert every.status == "failed"
    assert entry(every, Channel.VOICE).reason is Reason.FRAUD_SUSPECTED
    decide(ours, clock)
    (suspect,) = ours.toll_fraud.suspects()
    assert (suspect.country, suspect.until - suspect.since) == ("+44", 3_600_000)
    told = [event for event in ours.health.read({}) if event.type == "fraud.suspected"]
    assert len(told) == 1
    # Its neighbours are people, and get their message.
    phone = "+447799000001"
    assert start(ours, phone=phone).challenge.channel == Channel.SMS
    ours.toll_fraud.clear(suspect.block, "a school that signed up", OPERATOR)
    assert start(ours, phone="+447911559997").challenge.channel == Channel.SMS
    assert ours.toll_fraud.suspects() == []
    with pytest.raises(NotFound):
        ours.toll_fraud.clear(suspect.block, "again", OPERATOR)


def test_an_outage_is_no_fraud(services, start, clock):
    """Nobody answers anywhere: the route opens, and no block is suspected."""
    ours = services(OTP_LIMIT_PREFIX="off")
    decide(ours, clock)
    opened = None
    for n in range(40):
        start(ours, phone=f"+44791155{n:04d}", email=True)
        decide(ours, clock, 5)
        if ours.health.states()["twilio_verify/sms/+44"].state != "closed":
            opened = n
            break
    assert opened is not None
    for _ in range(5):
        start(ours, phone="+447911559999", email=True)
        decide(ours, clock, 60)
    assert ours.toll_fraud.suspects() == []


def test_a_block_is_slowed_down(services, start):
    ours = services(OTP_LIMIT_PREFIX="3/10m")
    channels = [start(ours, phone=f"+1415555{n:04d}", email=True).challenge.channel for n in range(5)]
    assert channels == [Channel.SMS] * 3 + [Channel.EMAIL] * 2


def test_guesses_at_an_app_are_counted_though_the_provider_can_not_be_asked(services, start, server):
    """What was compared with the app was a guess at it; what only the provider could say, was none."""
    ours = services()
    enrolled(ours)
    server.sandbox.fail("http_503", operation="check")
    refused = 0
    for _ in range(3):
        challenge = start(ours, user="ada", client_ip="203.0.113.66").challenge
        for _ in range(5):
            try:
                verify(ours, challenge, "000000")
            except CheckUnavailable:
                refused += 1
            except TooManyFailures:
                break
    assert refused == 10
    assert ours.core.failures.of(challenge.user).number == 10


def test_an_outage_is_seen_though_the_fallback_is_used_up(services, start, server, clock):
    ours = services(OTP_LIMIT_MAIL="1/1d")
    server.sandbox.fail("http_503")
    decide(ours, clock)
    for _ in range(8):
        with contextlib.suppress(RateLimited):
            start(ours, phone="+447911551234", email=True)
    decide(ours, clock)
    assert ours.health.states()["twilio_verify/sms/+44"].state == "open"


def test_a_switch_that_a_limit_holds_up_stays_where_a_code_was_sent(services, start):
    ours = services(OTP_LIMIT_MAIL="1/1d")
    start(ours, email=True, channels=[Channel.EMAIL])
    challenge = start(ours, email=True).challenge
    with pytest.raises(RateLimited) as refused:
        ours.change.switch("default", challenge.id, Channel.EMAIL)
    assert refused.value.extra == {"limit": "mail"}
    fresh, _ = ours.change.get("default", challenge.id)
    assert fresh.channel == Channel.SMS
    assert [(s.source, s.to, s.reason) for s in fresh.switches] == [
        ("sms", "email", "user_request"), ("email", "sms", "undeliverable"),
    ]  # fmt: skip


def test_the_worker_leaves_a_prompt_where_a_code_may_still_arrive(services, start, clock):
    ours = services(OTP_LIMIT_MAIL="1/1d")
    start(ours, email=True, channels=[Channel.EMAIL])
    challenge = start(ours, email=True).challenge
    clock.pass_(21)
    assert ours.change.deadline_passed(challenge.id).channel == Channel.SMS


def test_of_several_limits_the_soonest_is_told(services, start, clock):
    ours = services(OTP_LIMIT_MAIL="1/1d", OTP_LIMIT_NUMBER="1/10m")
    phone, mail = "+14155550166", Email("box@mail.example")
    start(ours, phone=phone, email=Email("other@mail.example"), channels=[Channel.SMS])
    start(ours, email=mail, channels=[Channel.EMAIL])
    with pytest.raises(RateLimited) as refused:
        start(ours, phone=phone, email=mail)
    assert refused.value.retry_after <= 600
    clock.pass_(refused.value.retry_after)
    assert start(ours, phone=phone, email=mail).challenge.channel == Channel.SMS


def test_unlocking_is_for_every_address(services, start, clock):
    ours = services()
    app, _ = enrolled(ours)
    home = "203.0.113.66"
    for _ in range(10):
        guess(ours, client_ip=home)
    with pytest.raises(TooManyFailures):
        guess(ours, client_ip=home)
    ours.unlock("default", "ada", "knows her", OPERATOR)
    challenge = start(ours, user="ada", client_ip=home, channels=[Channel.TOTP]).challenge
    assert verify(ours, challenge, app.at(clock() // 1000))
    # And only what was before: who guesses on is held again.
    for _ in range(10):
        guess(ours, client_ip=home)
    with pytest.raises(TooManyFailures):
        guess(ours, client_ip=home)


def test_a_user_who_was_removed_begins_anew(services, clock, start):
    ours = services(OTP_FAILURES_ADDRESS="3", OTP_FAILURES_USER="3", OTP_FAILURES_LOCK="3")
    enrolled(ours)
    for _ in range(3):
        guess(ours)
    with pytest.raises(UserLocked):
        guess(ours)
    ours.enroll.forget("default", "ada")
    clock.pass_(60)
    app, _ = enrolled(ours)
    challenge = start(ours, user="ada", channels=[Channel.TOTP]).challenge
    assert verify(ours, challenge, app.at(clock() // 1000))


def test_primary_only_in_an_outage_makes_nobody_a_suspect(services, start, clock):
    ours = services(OTP_LIMIT_PREFIX="off")
    decide(ours, clock)
    ours.mode.put(Mode.PRIMARY_ONLY, Scope(), reason="SMS only", who=OPERATOR)
    for n in range(40):
        start(ours, phone=f"+44791155{n:04d}")
        decide(ours, clock, 5)
    assert ours.health.states()["twilio_verify/sms/+44"].state != "closed"
    assert ours.toll_fraud.suspects() == []
    assert start(ours, phone="+447911559999").challenge.channel == Channel.SMS


def test_without_a_worker_nobody_is_a_suspect(services, start, clock, server):
    """And people who answered meanwhile count, whoever heard of it."""
    ours = services(OTP_LIMIT_PREFIX="off")
    for n in range(25):
        phone = f"+44791155{n:04d}"
        answer_by_sms(ours, server, start(ours, phone=phone).challenge, phone)
    clock.pass_(91)
    assert start(ours, phone="+447911559999").challenge.channel == Channel.SMS
    decide(ours, clock)
    assert start(ours, phone="+447911559998").challenge.channel == Channel.SMS
    assert ours.toll_fraud.suspects() == []


def test_reports_of_pumped_messages_do_not_count_against_the_route(services, start, clock, server):
    from service.flows.delivery_reports import Report

    ours = services(OTP_LIMIT_PREFIX="off")
    decide(ours, clock)
    for n in range(60):
        phone = Phone.parse(f"+44791155{n:04d}")
        pumped = start(ours, phone=phone.e164).challenge
        people = f"+4477{n:02d}000{n:03d}"
        answer_by_sms(ours, server, start(ours, phone=people).challenge, people)
        decide(ours, clock, 4)
        if (ref := pumped.entry(Channel.SMS).ref) is not None:
            ours.reports(Report(f"r{n}", Channel.SMS, "undelivered", phone, ref, None, "30008", clock()))
        decide(ours, clock)
    assert ours.health.states()["twilio_verify/sms/+44"].state == "closed"
