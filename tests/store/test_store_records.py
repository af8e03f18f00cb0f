"""Records in a real Valkey: versions, scripts, schedules, sizes, round trips."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest
import redis as redis_py
from msgspec.structs import replace
from phonenumbers import PhoneNumberType

from service.domain.api_keys import Scope
from service.domain.challenge import Challenge, Entry, Subject
from service.domain.channels import Channel
from service.domain.codes import derive_code
from service.domain.contacts import Email, Phone
from service.domain.errors import StoreUnavailable
from service.domain.events import Event
from service.domain.toll_fraud import block_of, earns, kind_of
from service.flows.start import StartRequest
from service.store import keys
from service.store.numbers import NumberStore, Wanted
from service.store.redis import SCRIPTS, connect

ACCEPTING = (Entry(Channel.EMAIL, "sent", opened=True), Entry(Channel.TOTP, "ready", opened=True))


def race(count, call):
    gate = threading.Barrier(count)

    def run(n):
        gate.wait()
        return call(n)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture
def challenge(services, clock):
    def make(user="u", entries=ACCEPTING, **changes):
        key = services.enroll._users.key("default", user)
        id_ = keys.new_id("ch", key, services.core.random_bytes(16))
        subject = Subject(user, Phone("+14155550123", "+1"), Email("alice@example.com"))
        made = Challenge(
            **{
                "id": id_,
                "application": "default",
                "user": key,
                "sealed": services.challenges.seal(id_, subject),
                "status": "pending",
                "channel": Channel.EMAIL,
                "entries": entries,
                "created_at": clock(),
                "expires_at": clock() + 600_000,
                "max_attempts": 5,
                **changes,
            }
        )
        assert services.challenges.save(made, [], now=clock(), due_at=clock() + 20_000)
        return made.next_version()

    return make


def email_code(services, challenge):
    return derive_code(services.core.keyring.codes, challenge.id, "email")


def enroll(services, clock, user="u"):
    pending = services.enroll.begin("default", user)
    app = pyotp.TOTP(pending.secret)
    _, codes = services.enroll.confirm("default", pending.id, app.at(clock() // 1000 - 30))
    return app, codes


# Versions


def test_of_racing_writers_one_wins(services, challenge, clock):
    known = challenge()
    event = Event("challenge.test", clock())
    won = race(
        12, lambda n: services.challenges.save(replace(known, resend_at=n), [event], now=clock(), due_at=None)
    )
    assert won.count(True) == 1
    stored = services.challenges.get(known.id, "default")
    assert (stored.version, stored.resend_at) == (known.version + 1, won.index(True))
    outbox = services.core.store.client.xrange(keys.outbox(known.id[3:5]))
    assert [fields[b"type"] for _, fields in outbox].count(b"challenge.test") == 1


def test_what_is_gone_can_not_be_saved(services, challenge, redis, clock):
    known = challenge()
    redis.delete(keys.challenge(known.id))
    assert not services.challenges.save(known, [], now=clock(), due_at=None)
    assert not redis.exists(keys.challenge(known.id))


def test_a_subject_comes_back_as_it_was(services, challenge):
    known = challenge()
    subject = services.challenges.open(known)
    assert subject == Subject("u", Phone("+14155550123", "+1"), Email("alice@example.com"))


def test_a_numbers_type_is_looked_up_once(services, core, monkeypatch):
    services.enroll.set_contacts("default", "u", phone=Phone.parse("+19005551234"))

    def stored():
        return core.users.get("default", "u").phone

    assert stored() == Phone("+19005551234", "+1")
    assert stored().kind == kind_of(Phone.parse("+19005551234")) == PhoneNumberType.PREMIUM_RATE
    monkeypatch.setattr("service.store.users.PLANS", "0.0.0")  # by other tables it may be another one
    assert stored().kind is None
    assert earns(stored())


def test_of_racing_changes_to_a_user_all_are_kept(services, clock):
    race(6, lambda n: services.enroll.set_contacts("default", "u", phone=Phone(f"+1415555010{n}", "+1")))
    user = services.enroll.user("default", "u")
    assert user.version == 6


# Attempts


def test_racing_wrong_codes_are_counted_exactly(services, challenge):
    known = challenge(entries=(Entry(Channel.EMAIL, "sent", opened=True),))
    verdicts = race(20, lambda _n: _verify(services, known.id, "000000"))
    assert verdicts.count("wrong") == 5
    assert verdicts.count("ended") == 15
    stored = services.challenges.get(known.id, "default")
    assert (stored.status, stored.attempts, stored.in_flight) == ("locked", 5, 0)


def _verify(services, challenge_id, code):
    from service.domain.errors import ChallengeEnded

    try:
        return "approved" if services.verify("default", challenge_id, code, None).valid else "wrong"
    except ChallengeEnded:
        return "ended"


def test_an_attempt_whose_checker_died_does_not_block_for_ever(services, challenge, clock):
    known = challenge()
    candidates = {"email": False, "phone": False, "backup": None, "totp": True, "provider": False}
    for _ in range(5):
        reply = services.challenges.verify(
            known.id, "default", clock(), named=None, candidates=candidates, durable=False
        )
        assert reply.outcome == "reserved"

    def attempt():
        return services.challenges.verify(
            known.id, "default", clock(), named=None, candidates=candidates, durable=False
        ).outcome

    assert attempt() == "in_flight"
    clock.pass_(16)
    assert attempt() == "ended"
    assert services.challenges.get(known.id, "default").status == "locked"


def test_refunds_are_bounded(services, challenge, clock):
    known = challenge()
    candidates = {"email": False, "phone": False, "backup": None, "totp": True, "provider": False}
    outcomes = []
    for _ in range(4):
        services.challenges.verify(
            known.id, "default", clock(), named=None, candidates=candidates, durable=False
        )
        outcomes.append(
            services.challenges.settle(known.id, "default", clock(), "refund", max_refunds=2).outcome
        )
    assert outcomes == ["refunded", "refunded", "wrong", "wrong"]
    assert services.challenges.get(known.id, "default").attempts == 2


def test_a_backup_code_works_once_over_many_challenges(services, challenge, clock):
    _, codes = enroll(services, clock)
    entries = (Entry(Channel.BACKUP_CODE, "ready", opened=True),)
    ids = [challenge(entries=entries).id for _ in range(10)]
    assert race(10, lambda n: _verify(services, ids[n], codes[4])).count("approved") == 1
    assert len(services.enroll.user("default", "u").backup_codes) == 9


def test_the_last_backup_code_leaves_an_empty_list(services, challenge, clock):
    _, codes = enroll(services, clock)
    entries = (Entry(Channel.BACKUP_CODE, "ready", opened=True),)
    for code in codes:
        assert _verify(services, challenge(entries=entries).id, code) == "approved"
    user = services.enroll.user("default", "u")
    assert user.backup_codes == ()
    assert len(user.totp) == 1


def test_a_time_step_works_once_over_many_challenges(services, challenge, clock):
    app, _ = enroll(services, clock)
    ids = [challenge().id for _ in range(10)]
    code = app.at(clock() // 1000)
    assert race(10, lambda n: _verify(services, ids[n], code)).count("approved") == 1
    assert _verify(services, challenge().id, code) == "wrong"
    clock.pass_(30)
    assert _verify(services, challenge().id, code) == "wrong"  # still in the window, but used
    assert _verify(services, challenge().id, app.at(clock() // 1000)) == "approved"


def test_another_application_has_no_such_challenge(services, challenge, clock):
    known = challenge()
    candidates = {"email": True, "phone": False, "backup": None, "totp": False, "provider": False}
    reply = services.challenges.verify(
        known.id, "other", clock(), named=None, candidates=candidates, durable=False
    )
    assert reply == ("missing", None, None, None)
    assert services.challenges.settle(known.id, "other", clock(), "wrong").outcome == "missing"
    assert services.challenges.get(known.id, "other") is None
    assert services.challenges.get(known.id, "default").attempts == 0


@pytest.mark.parametrize(
    "text", ["", "ch_", "ch_zz" + "A" * 22, "en_00" + "A" * 22, "ch_00*", "ch_00" + "A" * 23]
)
def test_what_is_no_id_is_not_asked_for(services, counted, text):
    assert services.challenges.get(text, "default") is None
    assert counted.count == 0


# Scripts


def test_scripts_come_back_after_the_server_forgot_them(services, challenge, redis):
    known = challenge()
    redis.script_flush()
    assert _verify(services, known.id, "000000") == "wrong"
    redis.script_flush()
    assert _verify(services, known.id, email_code(services, known)) == "approved"


def test_every_script_names_its_keys_and_arguments():
    for script in SCRIPTS.values():
        assert "-- KEYS: " in script.text, script.name
        assert "-- ARGV" in script.text, script.name
        assert "KEYS *" not in script.text


# The schedule


def test_what_is_due_is_claimed_by_one_and_due_again_after_the_lease(services, challenge, clock):
    ids = {challenge(user=f"u{n}").id for n in range(40)}
    clock.pass_(21)
    claims = race(4, lambda _n: services.challenges.claim_due(clock(), lease=5_000, limit=50))
    assert sorted(id_ for claim in claims for id_ in claim) == sorted(ids)
    assert services.challenges.claim_due(clock(), lease=5_000, limit=50) == []
    clock.pass_(6)
    assert set(services.challenges.claim_due(clock(), lease=5_000, limit=50)) == ids


# Numbers


def wanted(users, clock, e164="+14155550123", channel=Channel.SMS):
    phone = Phone.parse(e164)
    block = users.block_key(block_of(phone))
    told = {"provider": "twilio_verify", "channel": channel, "country": "+1", "block": block_of(phone)}
    return Wanted(users.number_key(e164), block, None, channel, clock(), "twilio_verify/sms/+1", told)


def test_five_sends_a_verification(core, clock):
    numbers, send = NumberStore(core.store), wanted(core.users, clock)
    found = [numbers.reserve_send(send) for _ in range(6)]
    assert [one.outcome for one in found] == ["ok"] * 5 + ["exhausted"]
    numbers.send_failed(send, found[0])
    assert numbers.reserve_send(send).outcome == "ok"
    numbers.verification_over(send.number)
    assert numbers.reserve_send(send).outcome == "ok"


def test_racing_sends_to_one_number_are_five(core, clock):
    numbers, send = NumberStore(core.store), wanted(core.users, clock)
    outcomes = race(20, lambda _n: numbers.reserve_send(send).outcome)
    assert outcomes.count("ok") == 5


def test_an_undeliverable_number_is_remembered_by_channel(core, redis, clock):
    numbers, send = NumberStore(core.store), wanted(core.users, clock)
    number = send.number
    numbers.remember_undeliverable(number, Channel.SMS, "60205", 86_400)
    assert numbers.reserve_send(send)[:2] == ("undeliverable", "60205")
    assert numbers.reserve_send(send._replace(channel=Channel.VOICE)).outcome == "ok"
    assert 86_000 < redis.ttl(keys.undeliverable(number, "sms")) <= 86_400


# API keys and answers remembered


def test_api_keys(services, core, redis, monkeypatch):
    now = [0.0]
    store = core.api_keys
    monkeypatch.setattr(store, "_monotonic", lambda: now[0])
    record, secret = store.create(
        name="shop",
        application="shop",
        scopes=frozenset({Scope.CHALLENGES}),
        now=1,
        random_bytes=core.random_bytes,
    )
    assert secret.startswith("otpk_")
    assert secret not in str(redis.hgetall("otp:api_keys"))
    assert store.find(secret) == record
    assert store.find(secret + "x") is None
    assert store.all() == [record]
    assert store.revoke(record.id)
    assert not store.revoke(record.id)
    assert store.find(secret) == record  # cached
    now[0] = 5.1
    assert store.find(secret) is None


def test_remembered_answers(services, redis):
    store = services.idempotency
    key, mark = store.hash("k"), store.hash("body")
    assert store.claim(key, mark).outcome == "claimed"
    assert store.claim(key, mark).outcome == "running"
    assert store.claim(key, store.hash("other")).outcome == "reused"
    store.finish(key, mark, b'{"secret":"s3cr3t"}')
    assert store.claim(key, mark) == ("done", b'{"secret":"s3cr3t"}')
    assert b"s3cr3t" not in redis.get(keys.idempotency(key))
    assert 0 < redis.pttl(keys.idempotency(key)) <= 3_600_000
    store.release(key)
    assert store.claim(key, mark).outcome == "claimed"
    assert [c.outcome for c in race(10, lambda _n: store.claim(store.hash("r"), mark))].count("claimed") == 1


# Where things are, and for how long


def test_all_keys_of_a_user_are_in_one_slot(services, challenge, redis, clock):
    enroll(services, clock)
    challenge()
    names = [key.decode() for key in redis.scan_iter("otp:*")]
    tagged = [re.search(r"\{(..)\}", name)[1] for name in names if "{" in name]
    assert len(tagged) >= 4
    assert len(set(tagged)) == 1
    assert {name for name in names if "{" not in name} <= {"otp:keyring", "otp:schema", "otp:api_keys"}


def test_what_must_go_goes(services, challenge, redis, clock):
    known = challenge()
    services.enroll.begin("default", "u")
    for key in redis.scan_iter("otp:*"):
        name = key.decode()
        if re.search(r"\}:[ceinx]:", name):
            assert redis.pttl(key) > 0, name
    assert redis.pttl(keys.challenge(known.id)) <= 600_000 + 300_000


# Round trips


def test_round_trips(services, challenge, counted, clock):
    app, codes = enroll(services, clock)
    for name in ("verify", "settle", "transition", "limit"):
        services.core.store.client.script_load(SCRIPTS[name].text)
    known = challenge()
    counted.count = 0
    assert _verify(services, known.id, email_code(services, known)) == "approved"
    assert counted.count == 1
    known = challenge(entries=(Entry(Channel.BACKUP_CODE, "ready", opened=True),))
    counted.count = 0
    assert _verify(services, known.id, codes[0]) == "approved"
    assert counted.count == 1
    known = challenge()
    counted.count = 0
    assert _verify(services, known.id, app.at(clock() // 1000)) == "approved"
    assert counted.count == 2
    counted.count = 0
    started, *_ = services.start(StartRequest(application="default", user_id="u"))
    assert started.channel == Channel.TOTP
    assert counted.count == 2


# Sizes


def test_sizes(services, redis, clock):
    for n in range(50):
        user = f"somebody.with.a.long.name.{n:06d}@customers.example"
        services.enroll.set_contacts(
            "default", user, phone=Phone(f"+14155550{n:03d}", "+1"), email=Email(f"box{n:06d}@example.com")
        )
        pending = services.enroll.begin("default", user, label="Work account", device_name="Pixel 9")
        services.enroll.confirm("default", pending.id, pyotp.TOTP(pending.secret).at(clock() // 1000))
    sizes = [redis.memory_usage(key) for key in redis.scan_iter("otp:*:u:*")]
    assert len(sizes) == 50
    assert max(sizes) < 1536
    for n in range(50):
        services.start(
            StartRequest(
                application="default",
                user_id=f"somebody.with.a.long.name.{n:06d}@customers.example",
                action="login",
                client_ip="203.0.113.77",
            )
        )
    sizes = [redis.memory_usage(key) for key in redis.scan_iter("otp:*:c:*")]
    assert len(sizes) == 50
    assert max(sizes) < 1024


# When the server can not


def test_no_server(tmp_path):
    store = connect(f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(StoreUnavailable) as caught:
        store.batch([("PING",)])
    assert caught.value.retry_after == 1


def test_a_server_that_is_full_or_a_replica_says_unavailable(core, server):
    client = server.redis()
    client.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(StoreUnavailable):
            core.store.batch([("SET", "otp:big", "x" * 2_000_000)])
    finally:
        client.config_set("maxmemory", "0")
        client.delete("otp:big")
    client.execute_command("REPLICAOF", "127.0.0.1", "1")
    try:
        with pytest.raises(StoreUnavailable):
            core.store.batch([("SET", "otp:x", "1")])
    finally:
        client.execute_command("REPLICAOF", "NO", "ONE")


def test_a_mistake_of_ours_is_not_taken_for_an_outage(core, redis):
    redis.set("otp:text", "x")
    with pytest.raises(redis_py.ResponseError):
        core.store.batch([("HGETALL", "otp:text")])


def test_durable_writes_wait_for_the_disk(core, redis):
    before = redis.info("commandstats").get("cmdstat_waitaof", {"calls": 0})["calls"]
    core.store.batch([("SET", "otp:x", "1")], durable=True)
    core.store.batch([("SET", "otp:x", "2")])
    assert redis.info("commandstats")["cmdstat_waitaof"]["calls"] > before
    after = redis.info("commandstats")["cmdstat_waitaof"]["calls"]
    core.store.batch([("SET", "otp:x", "3")])
    assert redis.info("commandstats")["cmdstat_waitaof"]["calls"] == after
