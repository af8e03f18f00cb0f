"""The operators' switch, as every process honours it."""

import pytest

from tests.support.stack import Api, wait_until


@pytest.fixture(autouse=True)
def auto_again(running_stack):
    yield
    running_stack.redis().delete("otp:{00}:modes")


def put(api, mode, **scope):
    answer = api("PUT", "/v1/ops/mode", {"mode": mode, "reason": "a test", **scope})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_fallback_leaves_the_provider_alone(api, sandbox, person):
    app, _ = api.enroll(person.id)
    put(api, "fallback")
    challenge = api.start(person.id, phone=person.phone)
    assert challenge["channel"] == "totp"
    assert [(s["from"], s["to"], s["reason"]) for s in challenge["switches"]] == [("sms", "totp", "mode")]
    assert challenge["notice"]["code"] == "sms_unavailable"
    assert api.verify(challenge["id"], app.now()).json()["valid"] is True
    assert sandbox.count("send") == 0
    assert sandbox.count("check") == 0


def test_primary_only_does_not_switch(api, sandbox, person):
    api.enroll(person.id)
    put(api, "primary_only")
    challenge = api.start(person.id, phone=person.phone, email=person.email)
    assert (challenge["channel"], challenge["accepts"]) == ("sms", ["sms"])
    sandbox.fail("http_500")
    failed = api.start(person.id + "x", phone=person.phone, email=person.email)
    assert failed["status"] == "failed"


def test_primary_only_does_not_lock_out_who_has_no_phone(api, person):
    app, _ = api.enroll(person.id)
    put(api, "primary_only")
    challenge = api.start(person.id)
    assert challenge["channel"] == "totp"
    assert api.verify(challenge["id"], app.now()).json()["valid"] is True


def test_the_narrowest_scope_wins(api, person, people):
    put(api, "fallback")
    put(api, "auto", country="+91")
    put(api, "fallback", country="+44", application="default")
    put(api, "auto", application="default")
    for phone, channel in (
        (person.phone, "sms"),  # the application's own mode is narrower than everybody's
        ("+919876543210", "sms"),
        ("+447700900123", "email"),
    ):
        other = people()
        assert api.start(other.id, phone=phone, email=other.email)["channel"] == channel, phone
    shown = api("GET", "/v1/ops/mode").json()
    assert shown["mode"] == "fallback"
    assert len(shown["settings"]) == 4


def test_it_lapses(stack, api, person):
    setting = put(api, "fallback", expires_in=1)
    assert setting["expires_at"] is not None
    assert api.start(person.id, phone=person.phone, email=person.email)["channel"] == "email"
    wait_until(lambda: api("GET", "/v1/ops/mode").json()["mode"] == "auto", 5)
    assert api.start(person.id, phone=person.phone, email=person.email)["channel"] == "sms"


def test_every_process_sees_it_at_once(stack, people):
    put(stack.api, "fallback")
    for _ in range(10):  # new connections: both workers are met
        person = people()
        challenge = Api(stack.url).start(person.id, phone=person.phone, email=person.email)
        assert challenge["channel"] == "email"
    put(stack.api, "auto")
    for _ in range(10):
        person = people()
        assert Api(stack.url).start(person.id, phone=person.phone, email=person.email)["channel"] == "sms"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "off", "reason": "x"}, "mode"),
        ({"mode": "auto"}, "reason"),
        ({"mode": "auto", "reason": ""}, "reason"),
        ({"mode": "auto", "reason": "x", "country": "91"}, "country"),
        ({"mode": "auto", "reason": "x", "expires_in": 0}, "expires_in"),
        ({"mode": "auto", "reason": "x", "colour": "red"}, "colour"),
    ],
)
def test_what_is_refused_changes_nothing(stack, api, body, field):
    answer = api("PUT", "/v1/ops/mode", body)
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]
    assert stack.redis().exists("otp:{00}:modes") == 0
