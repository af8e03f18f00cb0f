"""Peers that go silent without a word: what that costs, and whom."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.domain.channels import Channel
from service.domain.contacts import Phone
from service.domain.failures import SendFailure
from service.providers.twilio_verify import TwilioAccount, TwilioVerify
from service.store import changes, keys
from service.store.changes import ChangeListener
from service.store.connections import EXCHANGE_TIMEOUT
from service.store.redis import connect
from tests.chaos.world import Setting, made
from tests.support.fault_proxy import before
from tests.support.stack import ACCOUNT, SERVICE, TOKEN, Api, Stack, free_port, wait_until

PHONE, EMAIL = "+4915112999{:03d}", "silence-{}@mail.example"


@pytest.fixture(scope="module")
def world():
    with made(Setting(web_processes=1)) as found:
        yield found


@pytest.fixture
def api(world):
    yield world.stack.api
    for proxy in (world.redis, world.twilio, world.smtp):
        proxy.clear()
    wait_until(world.is_ready)


def at_once(world, proxy, call, times=16, seconds=0.1):
    """Many requests side by side, each waiting a little, so that the process holds many connections afterwards."""
    proxy.set("latency", seconds=seconds)
    with ThreadPoolExecutor(times) as pool:
        told = list(pool.map(lambda number: call(Api(world.url), number), range(times)))
    proxy.clear()
    return told


def test_an_answer_of_redis_that_trickles_is_ended_by_the_deadline(world, api):
    """Each byte comes in time, and there are so many: no wait of a socket ends that."""
    challenge = api.start("trickle", email=EMAIL.format("trickle"))
    world.redis.set("trickle_answers", seconds=0.05)
    began = time.monotonic()
    answer = api("GET", f"/v1/challenges/{challenge['id']}")
    assert EXCHANGE_TIMEOUT - 0.5 < time.monotonic() - began < EXCHANGE_TIMEOUT + 1.5
    assert answer.status_code == 503
    assert answer.json()["code"] == "store_unavailable"
    world.redis.clear()
    assert api.get(challenge["id"])["status"] == "pending"  # and no connection is out of step


def test_one_request_finds_out_that_connections_to_redis_are_dead(world, api):
    def ready(caller, _number):
        return caller("GET", "/readyz").status_code

    assert set(at_once(world, world.redis, ready)) == {200}
    world.redis.set("half_open")
    assert ready(api, 0) == 503
    assert set(at_once(world, world.redis, ready)) == {200}


def test_one_mail_finds_out_that_connections_to_the_mail_server_are_dead(world, api):
    def start(caller, number):
        fields = {"email": EMAIL.format(number), "channels": ["email"]}
        return caller.start(f"mail-{number}", **fields)["status"]

    assert set(at_once(world, world.smtp, start, 8, 0.02)) == {"pending"}
    world.smtp.set("half_open")
    assert start(api, 100) == "failed"
    assert set(at_once(world, world.smtp, start, 5, 0.02)) == {"pending"}


def test_one_send_finds_out_that_connections_to_the_provider_are_dead(world, api):
    def start(caller, number):
        return caller.start(f"sms-{number}", phone=PHONE.format(number), channels=["sms"])["status"]

    assert set(at_once(world, world.twilio, start)) == {"pending"}
    world.twilio.set("half_open")
    assert start(api, 100) == "failed"
    assert set(at_once(world, world.twilio, start, 5)) == {"pending"}


def test_a_code_whose_send_was_not_confirmed_is_not_called_wrong_while_it_cannot_be_asked(world, api):
    """The request arrived, its answer did not: the code is as good as that of a send that timed out."""
    phone = PHONE.format(500)
    world.twilio.set("lost_answer")
    challenge = api.start("lost", phone=phone, email=EMAIL.format("lost"))
    assert (challenge["channel"], challenge["switches"][0]["reason"]) == ("email", "provider_error")
    assert "sms" in challenge["accepts"]
    code = world.stack.sandbox.code(phone)
    world.twilio.set("reset")
    answer = api.verify(challenge["id"], code)
    assert (answer.status_code, answer.json()["code"]) == (503, "check_unavailable")
    world.twilio.clear()
    assert api.verify(challenge["id"], code).json()["valid"] is True


@pytest.mark.parametrize("fault", ["none", "lost_answer"])
def test_what_was_never_asked_sent_nothing(world, api, fault):
    world.twilio.set(fault)
    port = world.twilio.port if fault == "lost_answer" else free_port()
    twilio = TwilioVerify(TwilioAccount(ACCOUNT, TOKEN, SERVICE, f"http://127.0.0.1:{port}"))
    with pytest.raises(SendFailure) as failed:
        twilio.send(Phone.parse(PHONE.format(501)), Channel.SMS, deadline=2, locale="en")
    assert failed.value.code == "connection"
    assert failed.value.maybe_sent is (fault == "lost_answer")


@pytest.fixture
def valkey():
    stack = Stack()
    stack.start_valkey()
    yield stack
    stack.stop()


def test_a_listener_whose_server_vanished_listens_anew(valkey, monkeypatch):
    monkeypatch.setattr(changes, "SILENCE", 0.3)
    monkeypatch.setattr(changes, "RECONNECT", 0.05)

    def heard(event: threading.Event) -> bool:
        valkey.redis().publish(keys.CHANGED, "ch_1")
        return event.wait(0.1)

    with before(str(valkey.socket)) as proxy:
        listener = ChangeListener(connect(f"redis://127.0.0.1:{proxy.port}"))
        event = listener.register("ch_1").event
        wait_until(lambda: heard(event))
        time.sleep(1)  # in peace and quiet: it asks, and is answered
        assert proxy.clear()["seen"] == 1
        proxy.set("half_open")
        event.clear()
        wait_until(lambda: heard(event), 5)
        assert proxy.clear()["seen"] == 2
