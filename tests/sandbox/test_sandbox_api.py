"""Twilio's own SDK against a running sandbox."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
import requests
from twilio.base.exceptions import TwilioRestException


def refused(call, *args, **kwargs) -> tuple[int, int]:
    with pytest.raises(TwilioRestException) as caught:
        call(*args, **kwargs)
    return caught.value.status, caught.value.code


def test_a_code_is_sent_and_approved_once(sandbox):
    to = "+14155550101"
    sent = sandbox.send(to, locale="de", device_ip="192.0.2.1", risk_check="enable", tags="{}")
    assert re.fullmatch(r"VE[0-9a-f]{32}", sent.sid)
    assert (sent.status, sent.valid, sent.to, sent.channel) == ("pending", False, to, "sms")
    assert (sent.account_sid, sent.service_sid) == (sandbox.account, sandbox.service)
    assert re.fullmatch(r"VL[0-9a-f]{32}", sent.send_code_attempts[0]["attempt_sid"])
    assert abs(sent.date_created - datetime.now(UTC)) < timedelta(seconds=5)

    (message,) = sandbox.messages(to=to)
    assert message["code"] in message["text"]
    wrong = sandbox.check("000000" if message["code"] != "000000" else "111111", to=to)
    assert (wrong.status, wrong.valid, wrong.sid) == ("pending", False, sent.sid)
    right = sandbox.check(message["code"], verification_sid=sent.sid)
    assert (right.status, right.valid) == ("approved", True)
    assert refused(sandbox.check, message["code"], to=to) == (404, 20404)
    assert refused(sandbox.verify().verifications(sent.sid).fetch) == (404, 20404)


def test_every_field_of_twilio_is_there(sandbox):
    path, auth = f"{sandbox.url}/v2/Services/{sandbox.service}", (sandbox.account, sandbox.token)
    data = {"To": "+14155550102", "Channel": "sms", "CustomCode": "271828"}
    sent = requests.post(f"{path}/Verifications", data, auth=auth, timeout=5)
    assert sent.status_code == 201
    common = {
        "sid", "service_sid", "account_sid", "to", "channel", "status", "valid", "amount", "payee",
        "date_created", "date_updated",
    }  # fmt: skip
    assert set(sent.json()) == common | {"lookup", "send_code_attempts", "sna", "url"}
    assert requests.get(sent.json()["url"], auth=auth, timeout=5).json() == sent.json()
    data = {"To": "+14155550102", "Code": "271828"}
    checked = requests.post(f"{path}/VerificationCheck", data, auth=auth, timeout=5)
    assert (checked.status_code, set(checked.json())) == (200, common | {"sna_attempts_error_codes"})


def test_five_sends_and_five_checks(sandbox):
    to = "+14155550103"
    assert len({sandbox.send(to).sid for _ in range(5)}) == 1
    assert refused(sandbox.send, to) == (429, 60203)
    codes = {message["code"] for message in sandbox.messages(to=to)}
    assert len(codes) == 1
    for _ in range(5):
        sandbox.check("9999999", to=to)
    assert refused(sandbox.check, codes.pop(), to=to) == (429, 60202)


@pytest.mark.parametrize(
    ("to", "channel", "options"),
    [
        ("4155550100", "sms", {}),
        ("+0123456789", "sms", {}),
        ("+1415", "sms", {}),
        ("", "sms", {}),
        ("+14155550104", "sna", {}),
        ("+14155550104", "", {}),
        ("not-an-address", "email", {}),
        ("+14155550104", "sms", {"custom_code": "123"}),
        ("+14155550104", "sms", {"custom_code": "12345678901"}),
        ("+14155550104", "sms", {"custom_code": "abcdef"}),
    ],
)
def test_malformed_sends(sandbox, to, channel, options):
    assert refused(sandbox.send, to, channel, **options) == (400, 60200)
    assert sandbox.messages() == []


@pytest.mark.parametrize(("code", "key"), [("123", {"to": "+14155550104"}), ("123456", {})])
def test_malformed_checks(sandbox, code, key):
    assert refused(sandbox.check, code, **key) == (400, 60200)


def test_credentials_and_service(sandbox):
    wrong_token = sandbox.verify(token="wrong").verifications
    assert refused(wrong_token.create, to="+14155550105", channel="sms") == (401, 20003)
    wrong_service = sandbox.verify(service="VA" + "f" * 32).verifications
    assert refused(wrong_service.create, to="+14155550105", channel="sms") == (404, 20404)
    answer = requests.get(f"{sandbox.url}/v2/Attempts", timeout=5)
    assert answer.json() == {
        "code": 20003,
        "message": "Authenticate",
        "more_info": "https://www.twilio.com/docs/errors/20003",
        "status": 401,
    }


@pytest.mark.parametrize("status", ["canceled", "approved"])
def test_a_verification_is_ended_from_outside(sandbox, status):
    sent = sandbox.send("+14155550106")
    verification = sandbox.verify().verifications(sent.sid)
    assert verification.fetch().status == "pending"
    assert sandbox.verify().verifications(sent.to).fetch().sid == sent.sid
    assert refused(verification.update, "pending") == (400, 60200)
    assert verification.update(status).status == status
    assert refused(verification.update, status) == (404, 20404)
    assert sandbox.counts()["updates"] == {sent.sid: [status]}


@pytest.mark.parametrize(
    ("channel", "to"), [("call", "+14155550107"), ("whatsapp", "+14155550107"), ("email", "bo@example.com")]
)
def test_other_channels(sandbox, channel, to):
    sandbox.send(to, channel, custom_code="31415")
    (message,) = sandbox.messages(channel=channel)
    assert (message["to"], message["code"]) == (to, "31415")
    assert sandbox.check("31415", to=to).valid


def test_attempts_and_their_summary(sandbox):
    verify = sandbox.twilio()
    start = datetime.now(UTC) - timedelta(seconds=1)
    numbers = [f"+81312345{n:03d}" for n in range(5)]
    sent = [sandbox.send(number) for number in numbers]
    sandbox.check(sandbox.code(numbers[0]), to=numbers[0])
    filters = {"country": "JP", "channel": "sms", "verify_service_sid": sandbox.service}
    summary = verify.verification_attempts_summary().fetch(date_created_after=start, **filters)
    assert (summary.total_attempts, summary.total_converted) == (5, 1)
    assert (summary.total_unconverted, float(summary.conversion_rate_percentage)) == (4, 20.0)
    assert verify.verification_attempts_summary().fetch(destination_prefix="+81312345000").total_attempts == 1
    assert (
        verify.verification_attempts_summary().fetch(date_created_before=start, country="JP").total_attempts
        == 0
    )

    listed = verify.verification_attempts.list(country="JP", page_size=2)
    assert [attempt.channel_data["to"] for attempt in listed] == numbers[::-1]
    (converted,) = verify.verification_attempts.list(country="JP", status="converted")
    assert (converted.verification_sid, converted.conversion_status) == (sent[0].sid, "converted")


def test_many_at_once(sandbox):
    def both(n: int) -> bool:
        to = f"+4915510{n:06d}"
        sandbox.verify().verifications.create(to=to, channel="sms", custom_code="271828")
        return bool(sandbox.verify().verification_checks.create(to=to, code="271828").valid)

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(both, range(64)))
    counts = sandbox.counts()
    assert counts["send"] == counts["check"] == {"total": 64, "ok": 64, "failed": 0}


def test_the_service_says_how_it_is_set_up(sandbox):
    found = sandbox.verify().fetch()
    assert (found.sid, found.account_sid) == (sandbox.service, sandbox.account)
    assert (found.code_length, found.custom_code_enabled) == (6, True)
    assert refused(sandbox.verify(service="VA" + "9" * 32).fetch) == (404, 20404)
    assert refused(sandbox.verify(token="wrong").fetch) == (401, 20003)
