"""From the outbox to the receiver: signed, in order, once, however often it takes."""

import base64
import contextlib
import json
import re
import threading

import pytest

import service
from service.domain.errors import InvalidInput, NotFound, StateConflict, TooManyWebhooks, WebhookDisabled
from service.domain.webhooks import GIVE_UP, RETRIES
from service.flows.rotation import RotateKeys
from service.flows.webhooks import MOST
from service.store import hook_queue
from tests.support.receiver import Answer
from tests.support.stack import ROOT
from tests.webhooks.conftest import OPERATOR, event, work


@pytest.fixture
def hook(services, receiver):
    made, secret = services.webhooks.create(f"{receiver.url}/otp?x=1", OPERATOR)
    return made.id, secret


def state(services, hook):
    return services.webhooks.get(hook[0])[1]


def test_a_message_is_what_the_specification_says(services, receiver, hook):
    services.tell_webhooks.note(
        [event("challenge.switched", entry="1700000000000-7", source="sms", target="totp", reason="deadline")]
    )
    assert work(services) == 1
    (posted,) = receiver.posts
    assert posted.path == "/otp?x=1"
    assert posted.headers["webhook-id"] == "msg_00_1700000000000-7"
    assert posted.headers["content-type"] == "application/json"
    assert posted.headers["user-agent"] == f"otp-fallback/{service.__version__}"
    assert posted.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert posted.verified(hook[1]) == {
        "type": "challenge.switched",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "data": {
            "id": "ch_1",
            "application": "default",
            "channel": "totp",
            "source": "sms",
            "target": "totp",
            "reason": "deadline",
        },
    }
    assert state(services, hook).waiting == 0
    assert state(services, hook).last_status == "200"
    assert work(services) == 0


def test_the_readmes_example_verifies(services, receiver, hook, capsys):
    text = (ROOT / "README.md").read_text()
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Webhook(" in block)
    names = {"is_new": lambda _: True}
    exec(code, names)
    services.tell_webhooks.note([event()])
    work(services)
    (posted,) = receiver.posts
    assert names["handle"](hook[1], posted.headers, posted.body) == 204
    assert "challenge.switched" in capsys.readouterr().out
    assert names["handle"](hook[1], posted.headers, posted.body.replace(b"ch_1", b"ch_2")) == 400
    assert names["handle"]("whsec_" + "A" * 44, posted.headers, posted.body) == 400


def test_reading_again_tells_nothing_twice(services, process, receiver, hook):
    events = [event(), event(partition="3f", id="ch_2"), event()]
    services.tell_webhooks.note(events[:2])
    services.tell_webhooks.note(events)
    process().tell_webhooks.note(events)  # another worker takes over, from what was saved before
    work(services)
    assert sorted(p.headers["webhook-id"] for p in receiver.posts) == sorted(
        f"msg_{e.partition}_{e.entry}" for e in events
    )


def test_a_challenge_is_told_in_order_under_failures(services, receiver, hook, clock):
    """Every third try fails; each challenge's messages arrive in their order, and others do not wait for it."""
    tries = [0]

    def flaky(_):
        tries[0] += 1
        return Answer(500 if tries[0] % 3 == 0 else 200)

    receiver.answer = flaky
    kinds = ["challenge.created", "challenge.sent", "challenge.switched", "challenge.approved"]
    services.tell_webhooks.note([event(kind, id=f"ch_{n}") for kind in kinds for n in range(5)])
    for _ in range(60):
        work(services)
        clock.pass_(60)
    seen: dict[str, list[str]] = {}
    for posted in receiver.posts:
        body = posted.json
        told = seen.setdefault(body["data"]["id"], [])
        if body["type"] not in told:
            told.append(body["type"])
    assert seen == {f"ch_{n}": kinds for n in range(5)}
    assert state(services, hook).waiting == 0


def test_a_lane_that_fails_does_not_hold_up_another(services, receiver, hook):
    receiver.answer = lambda posted: Answer(500 if posted.json["data"]["id"] == "ch_bad" else 200)
    services.tell_webhooks.note(
        [event(id="ch_bad"), event("challenge.sent", id="ch_bad"), event(id="ch_good")]
    )
    work(services)
    assert [p.json["data"]["id"] for p in receiver.posts] == ["ch_bad", "ch_good"]
    assert state(services, hook).waiting == 2


def test_back_off_then_dead_then_replayed(services, receiver, hook, clock):
    receiver.answer = lambda _: Answer(500)
    services.tell_webhooks.note([event(), event("challenge.approved")])
    began, waits, last = clock.now, [], None
    while services.webhooks.get(hook[0])[1].dead == 0:
        before = len(receiver.posts)
        work(services)
        if len(receiver.posts) > before:
            if last is not None:
                waits.append(clock.now - last)
            last = clock.now
        clock.pass_(5)
        if clock.now - began > 10_000:
            clock.pass_(55)
        assert clock.now - began < GIVE_UP + 5 * 3_600_000
    for wait, planned in zip(waits[:4], RETRIES, strict=False):
        assert wait >= planned * 0.8
    assert waits[-1] <= 3_600_000 * 5.8  # four hours, spread, and a pause's end
    assert last - began <= GIVE_UP
    # The lane goes on with the next one, which begins a day of its own.
    (letter,) = services.webhooks.dead(hook[0], 10)
    assert (letter.message.type, letter.status, letter.message.tries) == ("challenge.switched", "500", 0)
    receiver.answer = lambda _: Answer()
    clock.pass_(5 * 3600)
    work(services)
    assert receiver.types()[-1] == "challenge.approved"
    assert services.webhooks.replay(hook[0], OPERATOR, ["1-1"]) == 0
    assert services.webhooks.replay(hook[0], OPERATOR) == 1
    assert services.webhooks.dead(hook[0], 10) == []
    work(services)
    assert receiver.types()[-1] == "challenge.switched"
    assert receiver.posts[-1].headers["webhook-id"] == receiver.posts[0].headers["webhook-id"]
    assert state(services, hook).waiting == 0


def test_old_dead_letters_go(services, receiver, hook, redis):
    name = f"otp:{{hooks}}:dead:{hook[0]}"
    redis.xadd(name, {"lane": "x", "message": "{}", "status": "500", "at": 1}, id="1-1")
    queue = services.tell_webhooks._queue
    services.tell_webhooks.note([event()])
    (delivery,) = services.tell_webhooks.claim()
    queue.died(delivery.claimed, 1, after=delivery.claimed.message, status="500")
    assert [letter.message.type for letter in services.webhooks.dead(hook[0], 10)] == ["challenge.switched"]


def test_gone_means_gone(services, receiver, hook):
    receiver.answer = lambda _: Answer(410)
    services.tell_webhooks.note([event()])
    work(services)
    assert services.webhooks.get(hook[0])[0].enabled is False
    newest = services.audit.newest(1)[0]
    assert (newest["action"], newest["actor"], newest["target"]) == ("webhook.disable", "worker", hook[0])
    assert services.audit.verify().fault is None
    services.tell_webhooks.note([event()])
    assert work(services) == 0
    assert state(services, hook).waiting == 1  # what waited waits on, what comes is not for it
    with pytest.raises(WebhookDisabled):
        services.webhooks.test(hook[0])


def test_a_receiver_that_asks_for_time_gets_it(services, receiver, hook, clock):
    receiver.answer = lambda _: Answer(429, {"Retry-After": "1800"})
    services.tell_webhooks.note([event()])
    work(services)
    clock.pass_(1790)
    assert work(services) == 0
    clock.pass_(11)
    assert work(services) == 1
    receiver.answer = lambda _: Answer(503, {"Retry-After": "999999999"})
    clock.pass_(1800)
    assert work(services) == 1
    clock.pass_(3601)  # but not for ever
    assert work(services) == 1


def test_a_dead_receiver_is_paused_and_one_lane_probes(services, receiver, hook, clock):
    receiver.answer = lambda _: Answer(500)
    services.tell_webhooks.note([event(id=f"ch_{n}") for n in range(30)])
    work(services)
    assert len(receiver.posts) == 8  # at once; then it is paused
    assert state(services, hook).failures == 8
    clock.pass_(29)
    assert work(services) == 0
    for pause in (60, 120, 240):
        clock.pass_(pause / 2 + 1)
        before = len(receiver.posts)
        work(services)
        assert len(receiver.posts) == before + 1
        assert work(services) == 0
        assert state(services, hook).paused_until == clock.now + pause * 1000
    receiver.answer = lambda _: Answer()
    clock.pass_(241)
    while work(services):
        pass
    assert state(services, hook).failures == 0
    assert state(services, hook).paused_until is None
    clock.pass_(3600)
    while work(services):
        pass
    assert state(services, hook).waiting == 0
    told = {posted.json["data"]["id"] for posted in receiver.posts}
    assert told == {f"ch_{n}" for n in range(30)}


def test_a_probe_whose_worker_dies_is_made_again(services, process, receiver, hook, clock):
    receiver.answer = lambda _: Answer(500)
    services.tell_webhooks.note([event(id=f"ch_{n}") for n in range(8)])
    work(services)
    clock.pass_(31)
    assert len(services.tell_webhooks.claim()) == 1  # and it is never heard of again
    other = process()
    assert work(other) == 0
    receiver.answer = lambda _: Answer()
    clock.pass_(61)
    assert work(other) == 1


def test_a_worker_that_dies_leaves_its_lanes_to_others(services, process, receiver, hook, clock):
    services.tell_webhooks.note([event(), event("challenge.approved")])
    (delivery,) = services.tell_webhooks.claim()
    other = process()
    assert work(other) == 0
    clock.pass_(61)
    assert work(other) == 1
    assert receiver.types() == ["challenge.switched", "challenge.approved"]
    # The first one comes back late: it sends again what was sent, and takes nothing away.
    services.tell_webhooks.note([event("challenge.expired")])
    services.tell_webhooks(delivery)
    assert state(services, hook).waiting == 1
    work(other)
    assert receiver.types()[-1] == "challenge.expired"


def test_too_many_wait(services, receiver, hook, monkeypatch, redis):
    monkeypatch.setattr(hook_queue, "MOST_WAITING", 3)
    dropped = service.telemetry.metrics.WEBHOOKS.labels("dropped")
    before = dropped._value.get()
    services.tell_webhooks.note([event(id=f"ch_{n}") for n in range(5)])
    assert state(services, hook).waiting == 3
    assert dropped._value.get() == before + 2
    while work(services):
        pass
    assert [p.json["data"]["id"] for p in receiver.posts] == ["ch_0", "ch_1", "ch_2"]


def test_more_than_a_script_takes_at_once(services, receiver, hook, monkeypatch, redis):
    monkeypatch.setattr(hook_queue, "AT_ONCE", 4)
    for _ in range(2):
        services.webhooks.create(receiver.url, OPERATOR)
    services.tell_webhooks.note([event(id=f"ch_{n}") for n in range(11)])
    assert [found.waiting for _, found in services.webhooks.all()] == [11, 11, 11]


def test_secrets_rotate_without_a_gap(services, receiver, hook, clock):
    _, fresh = services.webhooks.rotate_secret(hook[0], OPERATOR)
    services.tell_webhooks.note([event()])
    work(services)
    assert receiver.posts[-1].verified(hook[1]) == receiver.posts[-1].verified(fresh)
    clock.pass_(86_401)
    services.tell_webhooks.note([event()])
    work(services)
    assert len(receiver.posts[-1].headers["webhook-signature"].split()) == 1


def test_the_secret_can_not_be_read_in_redis(services, server, receiver, hook):
    _, fresh = services.webhooks.rotate_secret(hook[0], OPERATOR)
    services.tell_webhooks.note([event()])
    stored = server.everything_stored()
    assert hook[0] in stored
    for secret in (hook[1], fresh):
        assert secret.removeprefix("whsec_") not in stored
    assert "hash-of-user" not in json.dumps([p.json for p in receiver.posts])


def test_a_record_that_was_moved_signs_nothing(services, receiver, hook, redis):
    """A sealed secret put into another webhook's record does not open there."""
    other, _ = services.webhooks.create(receiver.url, OPERATOR, events=["challenge.*"])
    raw = json.loads(redis.hget("otp:{00}:webhooks", other.id))
    raw["secret"] = json.loads(redis.hget("otp:{00}:webhooks", hook[0]))["secret"]
    redis.hset("otp:{00}:webhooks", other.id, json.dumps(raw))
    services.tell_webhooks.note([event()])
    while work(services):
        pass
    assert len(receiver.posts) == 1
    assert services.webhooks.get(other.id)[1].last_status == "key_unusable"


def test_a_new_master_key_changes_no_secret(services, process, receiver, hook, server):
    _, fresh = services.webhooks.rotate_secret(hook[0], OPERATOR)
    old, new = (f"{kid}:{base64.b64encode(byte * 32).decode()}" for kid, byte in (("k1", b"m"), ("k2", b"n")))
    core = process(OTP_MASTER_KEYS=f"{new},{old}").core
    assert (
        list(RotateKeys(core.store, core.sealer, core.users, core.webhook_store, core.signing)()) == []
    )  # no users
    after = process(OTP_MASTER_KEYS=new)
    after.tell_webhooks.note([event()])
    work(after)
    assert receiver.posts[0].verified(hook[1]) == receiver.posts[0].verified(fresh)


def test_a_redirect_is_a_failure(services, receiver, hook):
    receiver.answer = lambda _: Answer(307, {"Location": f"{receiver.url}/elsewhere"})
    services.tell_webhooks.note([event()])
    work(services)
    assert [posted.path for posted in receiver.posts] == ["/otp?x=1"]
    assert state(services, hook).last_status == "307"


def test_a_long_answer_is_not_read(services, receiver, hook):
    receiver.answer = lambda _: Answer(200, {}, b"x" * 50_000_000)
    services.tell_webhooks.note([event()])
    work(services)
    assert state(services, hook).last_status == "200"


def test_nobody_there(services, receiver, hook):
    receiver.stop()
    services.tell_webhooks.note([event()])
    work(services)
    assert state(services, hook).last_status == "connection"


def test_who_is_told_of_what(services, receiver):
    services.webhooks.create(f"{receiver.url}/incidents", OPERATOR, events=["incident.*"])
    services.webhooks.create(f"{receiver.url}/shop", OPERATOR, application="shop")
    services.tell_webhooks.note(
        [
            event(application="default"),
            event(id="ch_2", application="shop"),
            event("incident.opened", id="inc_1", application=None),
            event("provider.checked"),
        ]
    )
    work(services)
    told = sorted((posted.path, posted.json["type"]) for posted in receiver.posts)
    assert told == [
        ("/incidents", "incident.opened"),
        ("/shop", "challenge.switched"),
        ("/shop", "incident.opened"),
    ]


def test_a_test_goes_the_way_of_all_others_even_after_a_pause(services, receiver, hook, clock):
    receiver.answer = lambda _: Answer(500)
    services.tell_webhooks.note([event(id=f"ch_{n}") for n in range(8)])
    work(services)
    assert work(services) == 0
    receiver.answer = lambda _: Answer()
    message_id = services.webhooks.test(hook[0])
    work(services)
    assert receiver.posts[-1].headers["webhook-id"] == message_id
    assert receiver.posts[-1].json["type"] == "webhook.test"
    assert state(services, hook).paused_until is None


def test_a_removed_webhook_leaves_nothing(services, receiver, hook, redis, clock):
    services.tell_webhooks.note([event(id=f"ch_{n}") for n in range(3)])
    services.webhooks.remove(hook[0], OPERATOR)
    # A worker that read the webhooks a moment before queues one more.
    queued = [hook_queue.Queued(hook[0], "ch_9", hook_queue.Message("m", "challenge.sent"))]
    services.tell_webhooks._queue.put("webhooks", queued, clock.now)
    clock.pass_(61)
    assert work(services) == 0
    assert [key for key in redis.keys("*") if hook[0].encode() in key] == []
    assert redis.hlen("otp:{hooks}:waiting") == 0
    assert receiver.posts == []
    with pytest.raises(NotFound):
        services.webhooks.get(hook[0])


def test_bad_webhooks(services, receiver):
    for url, message in [
        ("https://user:secret@a.example/", "password"), ("ftp://x/", "expected"),
        ("http://10.0.0.1/", "OTP_PRIVATE_HOOKS"), ("http://[::ffff:169.254.169.254]/", "OTP_PRIVATE_HOOKS"),
        ("http://0x0a000001/", "OTP_PRIVATE_HOOKS"), ("http://nowhere.invalid/", "resolved"),
    ]:  # fmt: skip
        with pytest.raises(InvalidInput, match=message) as caught:
            services.webhooks.create(url, OPERATOR)
        assert caught.value.faults[0].field == "url"
        assert "secret" not in str(caught.value)
    with pytest.raises(InvalidInput) as caught:
        services.webhooks.create(receiver.url, OPERATOR, events=["challenge.*", "nonsense"])
    assert caught.value.faults[0].field == "events.1"
    assert services.webhooks.all() == []


def test_there_are_not_more_than_some(services, receiver):
    for _ in range(MOST):
        services.webhooks.create(receiver.url, OPERATOR)
    with pytest.raises(TooManyWebhooks):
        services.webhooks.create(receiver.url, OPERATOR)


def test_two_operators_at_once(services, receiver, hook):
    """Each changes another field; both changes stay."""
    barrier = threading.Barrier(2)

    def change(**changes):
        barrier.wait()
        done = 0
        while done < 10:
            with contextlib.suppress(StateConflict):  # told so, an operator tries again
                services.webhooks.change(hook[0], OPERATOR, changes)
                done += 1

    threads = [
        threading.Thread(target=change, kwargs=c) for c in ({"description": "x"}, {"events": ["incident.*"]})
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = services.webhooks.get(hook[0])[0]
    assert (found.description, tuple(found.events)) == ("x", ("incident.*",))
    assert found.version == 21
