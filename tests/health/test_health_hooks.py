"""Delivery reports at /hooks/twilio: signed, once, at once."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from twilio.request_validator import RequestValidator

from tests.support.stack import SERVICE, TOKEN, Api, wait_until


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "60"}


def event(kind, challenge_sid, to, id_, **data):
    return {
        "specversion": "1.0",
        "id": id_,
        "type": f"com.twilio.accountsecurity.verify.message.{kind}",
        "source": "/v1",
        "time": "2026-11-24T05:00:00Z",
        "data": {
            "service_sid": SERVICE,
            "verification_sid": challenge_sid,
            "channel": "sms",
            "to": to,
            "message_status": kind,
            "error_code": None,
            "mcc": None,
            "mnc": None,
            **data,
        },
    }


def post(stack, events, *, token=TOKEN, tamper=None, query=True, content_type="application/json"):
    body = events if isinstance(events, str) else json.dumps(events)
    url = f"{stack.url}/hooks/twilio"
    if isinstance(query, str):
        url += f"?{query}"
    elif query:
        url += f"?bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    signature = RequestValidator(token).compute_signature(url, {})
    headers = {"X-Twilio-Signature": signature, "Content-Type": content_type}
    return requests.post(url, data=(tamper or body).encode(), headers=headers, timeout=10)


def sid(stack, person):
    """The verification that the person's newest challenge shares in."""
    stack.sandbox.code(person.phone)
    user = stack.api("GET", f"/v1/challenges/{newest[person.id]}").json()
    return stack.events_of(user, "sent")[0]["ref"]


def begin(stack, person):
    challenge = stack.api.start(person.id, phone=person.phone, email=person.email)
    newest[person.id] = challenge["id"]
    return challenge


newest: dict[str, str] = {}


def reports(stack, to_country="+1"):
    return [e for e in stack.events() if e["type"] == "provider.delivery_report"]


def test_an_undelivered_message_switches_its_challenge_at_once(stack, person):
    challenge = begin(stack, person)
    with ThreadPoolExecutor(1) as pool:
        seen = stack.api("GET", f"/v1/challenges/{challenge['id']}")
        waiting = pool.submit(
            Api(stack.url), "GET", f"/v1/challenges/{challenge['id']}?wait=30",
            headers={"If-None-Match": seen.headers["ETag"]},
        )  # fmt: skip
        answer = post(
            stack,
            [event("undelivered", sid(stack, person), person.phone, f"E-{person.id}", error_code=30003)],
        )
        assert answer.status_code == 204, answer.text
        assert waiting.result().json()["channel"] == "email"
    after = stack.api.get(challenge["id"])
    (switch,) = after["switches"]
    assert (switch["from"], switch["to"], switch["reason"]) == ("sms", "email", "delivery_failed")
    assert after["notice"]["code"] == "sms_undeliverable"
    assert set(after["accepts"]) == {"sms", "email"}
    assert (
        stack.api.verify(challenge["id"], stack.sandbox.code(person.email, "email")).json()["valid"] is True
    )


def test_a_report_that_comes_again_counts_once(stack, person):
    begin(stack, person)
    batch = [event("failed", sid(stack, person), person.phone, f"again-{person.id}", error_code=30008)]
    before = len(reports(stack))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _n: post(stack, batch), range(8)))
    assert {a.status_code for a in answers} <= {204, 409}
    assert post(stack, batch).status_code == 204
    assert len(reports(stack)) == before + 1
    assert len(stack.sandbox.messages(to=person.email)) == 1


def test_delivered_changes_nothing_but_teaches_the_carrier(stack, person):
    challenge = begin(stack, person)
    answer = post(
        stack, [event("delivered", sid(stack, person), person.phone, f"d-{person.id}", mcc="310", mnc="26")]
    )
    assert answer.status_code == 204
    assert stack.api.get(challenge["id"])["channel"] == "sms"
    again = begin(stack, person)
    wait_until(lambda: stack.events_of(again, "sent"))
    assert stack.events_of(again, "sent")[0]["carrier"] == "310-26"
    wait_until(
        lambda: (
            "twilio_verify/sms/+1/310-26"
            in {r["route"] for r in stack.api("GET", "/v1/ops/health").json()["routes"]}
        )
    )


def test_a_number_reported_as_a_landline_gets_no_sms_for_a_day(stack, person):
    begin(stack, person)
    post(
        stack, [event("undelivered", sid(stack, person), person.phone, f"l-{person.id}", error_code="30006")]
    )
    again = begin(stack, person)
    assert again["channel"] == "email"
    assert again["channels"][0]["reason"] == "undeliverable"


@pytest.mark.parametrize(
    "change",
    [
        {"token": "another token"},
        {"query": False},
        {"query": "bodySHA256="},
        {"query": "xbodySHA256=1"},
        {"tamper": "[]"},
    ],
)
def test_what_twilio_did_not_sign_is_refused(stack, person, change):
    challenge = begin(stack, person)
    batch = [event("failed", sid(stack, person), person.phone, f"forged-{person.id}")]
    before = len(reports(stack))
    answer = post(stack, batch, **change)
    assert (answer.status_code, answer.json()["code"]) == (403, "signature_invalid")
    assert requests.post(f"{stack.url}/hooks/twilio", json=batch, timeout=5).status_code == 403
    assert stack.api.get(challenge["id"])["channel"] == "sms"
    assert len(reports(stack)) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ("{}", 422),
        ('[{"id": "x"}]', 422),
        ('[{"id": "", "type": "t"}]', 422),
        ("[]", 204),
        ('[{"id": "x", "type": "com.twilio.something.else", "data": {"a": 1}}]', 204),
        ('[{"id": "x", "type": "com.twilio.accountsecurity.verify.message.failed", "data": {}}]', 204),
        ("[" + " " * 1_100_000 + "]", 413),
    ],
)
def test_bodies(stack, body, status):
    assert post(stack, body).status_code == status


def test_another_services_reports_are_passed_over(stack, person):
    challenge = begin(stack, person)
    other = event("failed", sid(stack, person), person.phone, f"o-{person.id}", service_sid="VA" + "9" * 32)
    assert post(stack, [other]).status_code == 204
    unknown = event("failed", "VE" + "9" * 32, person.phone, f"u-{person.id}")
    assert post(stack, [unknown, event("read", "x", "nonsense", "n")]).status_code == 204
    assert stack.api.get(challenge["id"])["channel"] == "sms"


def test_nothing_of_a_report_is_readable_afterwards(stack, person):
    begin(stack, person)
    post(stack, [event("undelivered", sid(stack, person), person.phone, f"p-{person.id}", error_code=30003)])
    for text in (stack.everything_stored(), stack.web.text()):
        assert person.phone not in text
        assert person.email not in text
