"""Every failure there is to choose, seen from the client."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from twilio.base.exceptions import TwilioRestException

REFUSALS = {
    "http_500": (500, 20500),
    "http_503": (503, 20503),
    "unauthorized": (401, 20003),
    "suspended": (403, 20005),
    "throttled": (429, 20429),
    "concurrent": (429, 60212),
    "landline": (403, 60205),
    "geo": (403, 60605),
    "fraud": (403, 60410),
    "blocked": (403, 60238),
    "channel_disabled": (403, 60223),
    "max_sends": (429, 60203),
    "invalid_parameter": (400, 60200),
    "wrong_service": (404, 20404),
}
TO = "+14155550199"


@pytest.mark.parametrize("kind", REFUSALS)
def test_refusals(sandbox, kind):
    sandbox.fail(kind)
    with pytest.raises(TwilioRestException) as caught:
        sandbox.send(TO)
    assert (caught.value.status, caught.value.code) == REFUSALS[kind]
    assert sandbox.messages() == []
    assert sandbox.counts()["send"] == {"total": 1, "ok": 0, "failed": 1}


def test_hang(sandbox):
    sandbox.fail("hang")
    with pytest.raises(requests.ReadTimeout):
        sandbox.verify(timeout=0.3).verifications.create(to=TO, channel="sms")
    assert sandbox.messages() == []


def test_hundreds_hang_while_others_are_served_and_are_released(sandbox):
    rule = sandbox.fail("hang", country="+49")
    hung = [sandbox.raw(f"+4915500{n:06d}") for n in range(300)]
    start = time.monotonic()
    assert sandbox.send("+14155550110").status == "pending"
    while sandbox.counts()["send"]["total"] < 301:
        assert time.monotonic() - start < 30
    assert sandbox.control("DELETE", f"failures/{rule}").status_code == 204
    for connection in hung:
        with connection, pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_reset(sandbox):
    sandbox.fail("reset")
    with sandbox.raw() as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    with pytest.raises(requests.ConnectionError):
        sandbox.send(TO)


def test_trickle(sandbox):
    rule = sandbox.fail("trickle", delay=0.02)
    with sandbox.raw() as connection:
        received = b""
        while received.count(b"\r\n\r\n") == 0 or len(received.split(b"\r\n\r\n", 1)[1]) < 60:
            received += connection.recv(100)
        assert received.startswith(b"HTTP/1.1 201 ")
        sandbox.control("DELETE", f"failures/{rule}")
        with pytest.raises(ConnectionResetError):
            list(iter(lambda: connection.recv(100), b""))


def test_malformed(sandbox):
    sandbox.fail("malformed", operation="all")
    with pytest.raises(json.JSONDecodeError):
        sandbox.send(TO)
    with pytest.raises(json.JSONDecodeError):
        sandbox.check("123456", to=TO)


def test_not_delivered(sandbox):
    sandbox.fail("not_delivered")
    assert sandbox.send("+14155550111").status == "pending"
    assert sandbox.messages() == []


def test_slow(sandbox):
    sandbox.fail("slow", delay=0.3)
    start = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        assert len(list(pool.map(sandbox.send, [f"+1415555{n:04d}" for n in range(20)]))) == 20
    assert 0.3 <= time.monotonic() - start < 6  # one after the other it were 6
    assert len(sandbox.messages()) == 20


def test_a_rule_is_about_an_operation_a_country_and_a_channel(sandbox):
    sandbox.fail("http_500", country="+91", channel="sms")
    sandbox.fail("http_503", operation="check", country="+44")
    sandbox.send("+14155550112")
    sandbox.send("+919812345678", "call")
    with pytest.raises(TwilioRestException):
        sandbox.send("+919812345678")
    sent = sandbox.send("+442071234567")
    with pytest.raises(TwilioRestException) as caught:
        sandbox.check("123456", verification_sid=sent.sid)
    assert caught.value.status == 503
    assert sandbox.verify().verifications(sent.sid).update("canceled").status == "canceled"


def test_all_is_every_operation_of_the_api_and_the_first_rule_wins(sandbox):
    sent = sandbox.send("+14155550113")
    sandbox.fail("http_503", operation="all")
    sandbox.fail("http_500", operation="all")
    verification = sandbox.verify().verifications(sent.sid)
    for call in (
        lambda: sandbox.send("+14155550113"),
        lambda: sandbox.check("123456", to=sent.to),
        lambda: verification.update("canceled"),
        verification.fetch,
    ):
        with pytest.raises(TwilioRestException) as caught:
            call()
        assert caught.value.status == 503


@pytest.mark.parametrize(("share", "struck"), [(0.3, 6), (0.5, 10), (0.05, 1), (1, 20)])
def test_a_share_is_exact(sandbox, share, struck):
    sandbox.fail("http_500", share=share)
    failed = 0
    for n in range(20):
        try:
            sandbox.send(f"+1415556{n:04d}")
        except TwilioRestException:
            failed += 1
    assert failed == struck


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({}, "kind"),
        ({"kind": "http_418"}, "kind"),
        ({"kind": "hang", "operation": "receive"}, "operation"),
        ({"kind": "hang", "operation": "mail"}, "operation"),
        ({"kind": "mail_451", "operation": "send"}, "operation"),
        ({"kind": "not_delivered", "operation": "check"}, "operation"),
        ({"kind": "hang", "country": "91"}, "country"),
        ({"kind": "hang", "country": 91}, "country"),
        ({"kind": "mail_550", "country": "+91"}, "country"),
        ({"kind": "hang", "channel": "pigeon"}, "channel"),
        ({"kind": "hang", "share": 0}, "share"),
        ({"kind": "hang", "share": 1.1}, "share"),
        ({"kind": "hang", "share": True}, "share"),
        ({"kind": "hang", "share": float("nan")}, "share"),
        ({"kind": "slow", "delay": -1}, "delay"),
        ({"kind": "slow", "delay": "3"}, "delay"),
        ({"kind": ["hang"]}, "kind"),
        ({"kind": "hang", "shar": 1}, "shar"),
    ],
)
def test_a_malformed_rule_is_refused_by_name(sandbox, rule, field):
    answer = sandbox.control("POST", "failures", data=json.dumps(rule))
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field
    assert answer.json()["error"]["message"].startswith(f"{field}: ")
    assert sandbox.control("GET", "failures").json() == {"failures": []}


def test_rules_are_listed_and_removed(sandbox):
    first, second = sandbox.fail("slow"), sandbox.fail("mail_slow", delay=1)
    assert sandbox.control("GET", "failures").json()["failures"] == [
        {"id": first, "kind": "slow", "operation": "send", "country": None, "channel": None,
         "share": 1.0, "delay": 3.0},
        {"id": second, "kind": "mail_slow", "operation": "mail", "country": None, "channel": None,
         "share": 1.0, "delay": 1.0},
    ]  # fmt: skip
    assert sandbox.control("DELETE", f"failures/{first}").status_code == 204
    assert sandbox.control("DELETE", f"failures/{first}").status_code == 404
    assert [rule["id"] for rule in sandbox.control("GET", "failures").json()["failures"]] == [second]


def test_a_client_that_leaves_frees_its_request(sandbox):
    sandbox.fail("hang")
    for _ in range(50):
        sandbox.raw().close()
    with sandbox.raw() as connection:
        connection.settimeout(0.2)
        with pytest.raises(socket.timeout):
            connection.recv(1)
