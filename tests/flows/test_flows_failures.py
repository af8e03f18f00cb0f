"""Every way in which a send can fail, for users who have an app, an e-mail address, backup codes, nothing."""

import re

import pytest

from tests.support.stack import wait_until

# kind at the provider: state and reason of the channel, whose fault it is, its code, whether the SMS code
# may have left all the same
PROVIDER = {
    "http_500": ("provider_error", "provider_fault", "20500"),
    "http_503": ("provider_error", "provider_fault", "20503"),
    "reset": ("provider_error", "provider_fault", "connection"),
    "malformed": ("provider_error", "provider_fault", "unreadable"),
    "hang": ("deadline", "provider_fault", "timeout"),
    "trickle": ("deadline", "provider_fault", "timeout"),
    "slow": ("deadline", "provider_fault", "timeout"),
    "throttled": ("provider_error", "throttled", "20429"),
    "concurrent": ("provider_error", "throttled", "60212"),
    "unauthorized": ("provider_error", "account", "20003"),
    "suspended": ("provider_error", "account", "20005"),
    "wrong_service": ("provider_error", "account", "20404"),
    "channel_disabled": ("provider_error", "account", "60223"),
    "landline": ("undeliverable", "recipient", "60205"),
    "geo": ("undeliverable", "recipient", "60605"),
    "blocked": ("undeliverable", "recipient", "60238"),
    "fraud": ("undeliverable", "recipient", "60410"),
    "max_sends": ("undeliverable", "recipient", "60203"),
}
HAVING = ("app", "email", "backup_code", "nothing")
CHANNEL = {"app": "totp", "email": "email", "backup_code": "backup_code"}


@pytest.fixture(scope="module")
def options():
    return {"OTP_SEND_DEADLINE": "0.4"}


def prepare(api, person, having):
    """Enrol what the user has; what to answer with later."""
    body = {"phone": person.phone}
    if having == "email":
        body["email"] = person.email
    assert api("PUT", f"/v1/users/{person.id}/contacts", body).status_code == 200
    if having == "app":
        app, codes = api.enroll(person.id)
        return {"totp": app.now, "backup_code": lambda: codes[0]}
    if having == "backup_code":
        return {"backup_code": lambda: codes[0]} if (codes := backup_codes(api, person)) else {}
    return {}


def backup_codes(api, person):
    answer = api("POST", f"/v1/users/{person.id}/backup-codes", {})
    assert answer.status_code == 201
    return answer.json()["backup_codes"]


def entry(challenge, channel):
    return next(e for e in challenge["channels"] if e["channel"] == channel)


@pytest.mark.parametrize("having", HAVING)
@pytest.mark.parametrize("kind", PROVIDER)
def test_a_failed_send_leaves_the_user_another_way_in(stack, api, sandbox, person, kind, having):
    reason, failure_class, code = PROVIDER[kind]
    held = prepare(api, person, having)
    sandbox.fail(kind, **({"delay": 5} if kind == "slow" else {}))
    challenge = api.start(person.id)
    sms = entry(challenge, "sms")
    assert (sms["state"], sms["reason"]) == ("failed", reason)
    assert sms["to"] == f"{person.phone[:5]}***{person.phone[-4:]}"

    failures = [
        e for e in stack.events() if e["type"] == "challenge.send_failed" and e["id"] == challenge["id"]
    ]
    assert [(e["provider"], e["failure_class"], e["code"]) for e in failures] == [
        ("twilio_verify", failure_class, code)
    ]

    if having == "nothing":
        assert challenge["status"] == "failed"
        assert (challenge["channel"], challenge["accepts"], challenge["switches"]) == (None, [], [])
        assert challenge["notice"]["code"] == "no_channel"
        assert api.verify(challenge["id"], "123456").status_code == 409
        (dead,) = [
            e for e in stack.events() if e["type"] == "challenge.failed" and e["id"] == challenge["id"]
        ]
        assert dead["why"]["sms"] == reason
        wait_until(lambda: f'"challenge": "{challenge["id"]}"' in stack.web.text())
        (line,) = [
            text
            for text in stack.web.text().splitlines()
            if "no_channel_left" in text and challenge["id"] in text
        ]
        assert reason in line
        metrics = api("GET", "/metrics").text
        assert f'otp_dead_ends_total{{channel="sms",why="{reason}"}}' in metrics
        return

    channel = CHANNEL[having]
    assert (challenge["status"], challenge["channel"]) == ("pending", channel)
    assert channel in challenge["accepts"]
    assert [(s["from"], s["to"], s["reason"]) for s in challenge["switches"]] == [("sms", channel, reason)]
    word = "undeliverable" if reason == "undeliverable" else "unavailable"
    assert challenge["notice"]["code"] == f"sms_{word}"
    answer = held[channel]() if channel in held else sandbox.code(person.email, "email")
    verdict = api.verify(challenge["id"], answer).json()
    assert (verdict["valid"], verdict["status"], verdict["channel"]) == (True, "approved", channel)
    assert verdict["amr"] == ["otp"]
    assert verdict["assurance"] == ("aal1" if having == "email" else "aal2")
    assert verdict["proof"].count(".") == 2


@pytest.mark.parametrize("having", HAVING)
def test_nobody_listens_where_the_provider_should_be(running_stack, person, having):
    api, stack = running_stack.api, running_stack
    held = prepare(api, person, having)
    stack.sandbox_process.kill()
    try:
        challenge = api.start(person.id)
    finally:
        stack.start_sandbox()
    assert entry(challenge, "sms")["reason"] == "provider_error"
    if having == "email":  # the mail server was the sandbox's as well
        assert challenge["status"] == "failed"
        assert entry(challenge, "email")["reason"] == "provider_error"
    elif having == "nothing":
        assert challenge["status"] == "failed"
    else:
        assert challenge["channel"] == CHANNEL[having]
        assert api.verify(challenge["id"], held[CHANNEL[having]]()).json()["valid"] is True


@pytest.mark.parametrize("kind", ["mail_550", "mail_451", "mail_hang"])
def test_mail_fails_too(api, sandbox, person, kind):
    app, _ = api.enroll(person.id)
    sandbox.fail("http_500")
    sandbox.fail(kind)
    challenge = api.start(
        person.id, phone=person.phone, email=person.email, channels=["sms", "email", "totp"]
    )
    reasons = {e["channel"]: e.get("reason") for e in challenge["channels"]}
    assert reasons["sms"] == "provider_error"
    assert (
        reasons["email"]
        == {
            "mail_550": "undeliverable",
            "mail_451": "provider_error",
            "mail_hang": "deadline",
        }[kind]
    )
    assert [s["to"] for s in challenge["switches"]] == ["email", "totp"]
    assert challenge["channel"] == "totp"
    assert api.verify(challenge["id"], app.now()).json()["valid"] is True


def kept(stack):
    """Every key but those that count how often something was asked for."""
    return {key for key in stack.redis().scan_iter() if not re.match(rb"otp:\{..\}:q:", key)}


def test_a_malformed_number_is_the_callers_mistake(stack, api, sandbox, person):
    sandbox.fail("invalid_parameter")
    before = kept(stack)
    answer = api("POST", "/v1/challenges", {"user_id": person.id, "phone": person.phone})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "phone"
    assert kept(stack) == before


def test_an_undeliverable_number_is_left_alone_for_a_day(stack, api, sandbox, person):
    sandbox.fail("landline")
    api.start(person.id, phone=person.phone, email=person.email)
    sandbox.heal()
    asked = sandbox.count("send")
    again = api.start(person.id, phone=person.phone, email=person.email)
    assert entry(again, "sms")["reason"] == "undeliverable"
    assert again["channel"] == "email"
    assert sandbox.count("send") == asked
    lives = [stack.redis().ttl(key) for key in stack.redis().scan_iter("otp:*:x:sms:*")]
    assert lives
    assert all(0 < life <= 86_400 for life in lives)
    assert max(lives) > 86_000
    voice = api.start(person.id, phone=person.phone, channels=["voice"])
    assert entry(voice, "voice")["state"] == "sent"


def test_a_share_of_sends_fails(api, sandbox, people):
    sandbox.fail("http_500", share=0.5)
    channels = []
    for _ in range(6):
        person = people()
        channels.append(api.start(person.id, phone=person.phone, email=person.email)["channel"])
    assert sorted(channels) == ["email"] * 3 + ["sms"] * 3
