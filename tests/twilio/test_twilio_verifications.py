"""Logins that use Twilio Verify, by Twilio's own SDK: the same, and more when SMS fails."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from service.domain.errors import OtpError
from service.http.twilio import problems
from service.http.twilio.problems import FAULTS
from service.http.twilio.sids import challenge_id, of_id
from service.store import keys
from tests.support.stack import ACCOUNT, API_KEY, EMAIL, ROOT, SERVICE, TOKEN, running
from tests.twilio.conftest import AUTH, BASE, connected, get, new_key, number, post, refusal


def test_a_login(verify, stack):
    to = number(1)
    sent = verify.verifications.create(to=to, channel="sms")
    assert re.fullmatch("VE[0-9a-f]{32}", sent.sid)
    assert (sent.status, sent.valid, sent.to, sent.channel) == ("pending", False, to, "sms")
    assert (sent.service_sid, sent.account_sid) == (SERVICE, ACCOUNT)
    assert [attempt["channel"] for attempt in sent.send_code_attempts] == ["sms"]
    wrong = verify.verification_checks.create(to=to, code="000000")
    assert (wrong.sid, wrong.status, wrong.valid) == (sent.sid, "pending", False)
    right = verify.verification_checks.create(to=to, code=stack.sandbox.code(to))
    assert (right.sid, right.status, right.valid, right.channel) == (sent.sid, "approved", True, "sms")
    assert verify.verifications(sent.sid).fetch().status == "approved"
    assert refusal(verify.verifications(to).fetch).status == 404
    again = refusal(verify.verification_checks.create, to=to, code="000000")
    assert (again.status, again.code) == (404, 20404)
    assert verify.verifications.create(to=to, channel="sms").sid != sent.sid


def test_fields_are_those_of_the_sandbox_kind_by_kind(api, stack):
    """Which speaks Twilio's format without having learned it from here."""

    def shape(value):
        if isinstance(value, dict):
            return {name: shape(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [shape(inner) for inner in value]
        return re.sub("[0-9a-f]", "0", value) if isinstance(value, str) else value

    def seen(url, auth, to):
        def ask(method, path, **form):
            path = path.replace(to, to.replace("+", "%2B"))
            return requests.request(method, f"{url}{BASE}{path}", data=form, auth=auth, timeout=20)

        sent = ask("POST", "/Verifications", To=to, Channel="sms")
        answers = [
            sent,
            ask("GET", f"/Verifications/{to}"),
            ask("GET", f"/Verifications/{sent.json()['sid']}"),
            ask("POST", "/VerificationCheck", To=to, Code="000000"),
            ask(
                "POST", "/VerificationCheck", VerificationSid=sent.json()["sid"], Code=stack.sandbox.code(to)
            ),
            ask("POST", "/VerificationCheck", To=to, Code="000000"),
            ask("GET", "/Verifications/VE" + "0" * 32),
            ask("POST", "/Verifications", To="nobody", Channel="sms"),
            ask("POST", "/Verifications", To=to, Channel="pigeon"),
            ask("POST", "/Verifications", To=to, Channel="sms"),
        ]
        answers.append(ask("POST", f"/Verifications/{answers[-1].json()['sid']}", Status="canceled"))
        told = []
        for answer in answers:
            body = shape(answer.json())
            for name in ("url", "message"):
                body.pop(name, None)
            told.append((answer.status_code, answer.headers["Content-Type"], body))
        return told

    ours = seen(stack.url, AUTH, number(2))
    theirs = seen(stack.sandbox.url, (ACCOUNT, TOKEN), number(60))
    assert [answer[0] for answer in ours] == [201, 200, 200, 200, 200, 404, 404, 400, 400, 201, 200]
    for mine, its in zip(ours, theirs, strict=True):
        assert mine == its


def test_the_same_number_goes_on_with_the_same_verification(verify, stack):
    to = number(3)
    first = verify.verifications.create(to=to, channel="sms")
    second = verify.verifications.create(to=to, channel="sms")
    assert second.sid == first.sid
    assert [attempt["channel"] for attempt in second.send_code_attempts] == ["sms", "sms"]
    called = verify.verifications.create(to=to, channel="call")
    assert (called.sid, called.channel) == (first.sid, "call")
    assert [attempt["channel"] for attempt in called.send_code_attempts] == ["sms", "sms", "call"]
    sids = [attempt["attempt_sid"] for attempt in called.send_code_attempts]
    assert len(set(sids)) == 3
    assert all(re.fullmatch("VL[0-9a-f]{32}", sid) for sid in sids)
    assert verify.verifications(to).fetch().sid == first.sid
    assert verify.verification_checks.create(to=to, code=stack.sandbox.code(to, "call")).valid


def test_five_messages_and_no_more(verify):
    to = number(4)
    for _ in range(3):
        verify.verifications.create(to=to, channel="sms")
    soon = refusal(verify.verifications.create, to=to, channel="call")  # the third pause is a second
    assert (soon.status, soon.code) == (429, 60203)
    for _ in range(2):
        time.sleep(1.05)
        verify.verifications.create(to=to, channel="sms")
    time.sleep(1.05)
    no_more = refusal(verify.verifications.create, to=to, channel="sms")
    assert (no_more.status, no_more.code) == (429, 60203)


def test_five_wrong_codes_and_no_more(verify, stack):
    to = number(5)
    sent = verify.verifications.create(to=to, channel="sms")
    told = [verify.verification_checks.create(to=to, code="000000").status for _ in range(5)]
    assert told == ["pending"] * 4 + ["max_attempts_reached"]
    over = refusal(verify.verification_checks.create, verification_sid=sent.sid, code=stack.sandbox.code(to))
    assert (over.status, over.code) == (429, 60202)
    assert verify.verifications(sent.sid).fetch().status == "max_attempts_reached"


def test_ending_one(verify, stack):
    to = number(6)
    sent = verify.verifications.create(to=to, channel="sms")
    assert verify.verifications(to).update(status="canceled").status == "canceled"
    assert refusal(verify.verification_checks.create, to=to, code=stack.sandbox.code(to)).code == 20404
    assert refusal(verify.verifications(sent.sid).update, status="canceled").code == 20404
    other = verify.verifications.create(to=to, channel="sms")
    vouched = verify.verifications(other.sid).update(status="approved")
    assert (vouched.status, vouched.valid) == ("approved", True)
    assert verify.verifications(other.sid).fetch().status == "approved"
    # To us nothing was proved.
    (event,) = [e for e in stack.events() if e["type"] == "challenge.canceled"][-1:]
    found = stack.api.get(event["id"])
    assert found["status"] == "canceled"
    assert "proof" not in found


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"channel": "sms", "to": "12345"}, "To"),
        ({"channel": "sms", "to": EMAIL}, "To"),
        ({"channel": "email", "to": number(7)}, "To"),
        ({"channel": "sna", "to": number(7)}, "Channel"),
        ({"channel": "sms", "to": number(7), "custom_code": "123456"}, "CustomCode"),
        ({"channel": "sms", "to": number(7), "device_ip": "nowhere"}, "DeviceIp"),
    ],
)
def test_what_is_wrong_is_named(verify, given, named):
    fault = refusal(verify.verifications.create, **given)
    assert (fault.status, fault.code) == (400, 60200)
    assert f"`{named}`" in fault.msg


def test_who_may(stack, api):
    for account, key in ((ACCOUNT, "wrong"), (ACCOUNT, ""), ("AC1", API_KEY), ("key_of-another", API_KEY)):
        fault = refusal(connected(stack.url, account, key).verifications.create, to=number(8), channel="sms")
        assert (fault.status, fault.code) == (401, 20003)
    answer = post(stack, "/Verifications", auth=None, To=number(8), Channel="sms")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert post(stack, "/Verifications", auth=(ACCOUNT, "x" * 2000)).status_code == 401
    as_a_key = connected(stack.url, "SK" + "1" * 32)  # as applications have it that use keys at Twilio
    assert as_a_key.verifications.create(to=number(8), channel="sms").account_sid == ACCOUNT
    fault = refusal(connected(stack.url, service="VA12").verifications.create, to=number(8), channel="sms")
    assert (fault.status, fault.code) == (404, 20404)
    for path in ("/v2/Services", "/v2/nothing", f"{BASE}/RateLimits"):
        answer = requests.get(stack.url + path, auth=AUTH, timeout=5)
        assert requests.options(stack.url + path, timeout=5).json() == answer.json()
        assert (answer.status_code, answer.json()["code"]) == (404, 20404)


def test_a_key_of_its_own_by_its_id(stack, api):
    made = new_key(stack, "--scope", "challenges")
    named = connected(stack.url, made["id"], made["key"])
    sent = named.verifications.create(to=number(9), channel="sms")
    assert sent.account_sid == ACCOUNT
    fault = refusal(named.entities("alice").fetch)
    assert (fault.status, fault.code) == (403, 20003)


def test_another_application_sees_nothing_of_it(verify, stack):
    sent = verify.verifications.create(to=number(10), channel="sms")
    made = new_key(stack, "--scope", "challenges", "--application", "other")
    other = connected(stack.url, key=made["key"])
    for key in (sent.sid, number(10)):
        assert refusal(other.verifications(key).fetch).code == 20404
    assert refusal(other.verification_checks.create, to=number(10), code="000000").code == 20404
    assert other.verifications.create(to=number(10), channel="sms").sid != sent.sid


def test_challenges_that_were_not_started_here_are_not_told(verify, api):
    """They may go to a number that this caller was never told."""
    begun = api.start("zoe", phone=number(11))
    sid = of_id("VE", begun["id"])
    assert refusal(verify.verifications(sid).fetch).code == 20404


def test_a_check_of_another_number(verify):
    """Who has one verification of their own must not answer by it for a number that the login named."""
    mine = verify.verifications.create(to=number(12), channel="sms")
    verify.verifications.create(to=number(13), channel="sms")
    check = verify.verification_checks.create
    fault = refusal(check, verification_sid=mine.sid, to=number(13), code="000000")
    assert (fault.status, fault.code) == (404, 20404)
    assert check(verification_sid=mine.sid, to=number(12), code="000000").sid == mine.sid


@pytest.mark.parametrize("channel", ["auto", "rcs"])
def test_channels_that_twilio_chooses_by(verify, channel):
    assert verify.verifications.create(to=number(14 + len(channel)), channel=channel).channel == "sms"


def test_a_number_that_is_nobodys_is_unlocked_by_an_operator(verify, api, stack):
    """It has no user whom an operator could name, nor a backup code."""
    to = number(18)
    sent = verify.verifications.create(to=to, channel="sms")
    assert not verify.verification_checks.create(to=to, code="000000").valid
    record = json.loads(stack.redis().get(keys.challenge(challenge_id(sent.sid))))
    stack.redis().hset(keys.failures(record["u"]), mapping={"n": 100, "t": 2**53})
    fault = refusal(verify.verification_checks.create, to=to, code=stack.sandbox.code(to))
    assert (fault.status, fault.code) == (429, 60202)
    unlocked = api("POST", f"/v1/users/{to}/unlock", {"reason": "knows her"})
    assert unlocked.json() == {"failures": 100}
    assert api("POST", f"/v1/users/{to}/unlock", {"reason": "again"}).status_code == 404
    assert verify.verification_checks.create(to=to, code=stack.sandbox.code(to)).valid


# Many at once


def test_many_at_once_begin_one(verify, stack):
    to = number(40)

    def begin(_):
        answer = post(stack, "/Verifications", To=to, Channel="sms")
        return answer.status_code, answer.json().get("sid"), answer.json().get("code")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(begin, range(8)))
    assert len({sid for status, sid, _ in answers if status == 201}) == 1
    assert {code for status, _, code in answers if status != 201} <= {60212, 60203}


def test_a_plus_sign_that_was_not_encoded(stack):
    to = number(47)
    begun = post(stack, "/Verifications", To=f" {to[1:]}", Channel="sms")
    assert (begun.status_code, begun.json()["to"]) == (201, to)
    checked = post(stack, "/VerificationCheck", To=f" {to[1:]}", Code=stack.sandbox.code(to))
    assert checked.json()["valid"]


def test_two_checks_of_one_code_approve_once(verify, stack):
    to = number(41)
    verify.verifications.create(to=to, channel="sms")
    code = stack.sandbox.code(to)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(stack, "/VerificationCheck", To=to, Code=code), range(8)))
    assert [a.status_code for a in answers if a.status_code == 200 and a.json()["valid"]] == [200]
    assert {a.json()["code"] for a in answers if a.status_code != 200} <= {20404, 60212, 60202}


def test_racing_guesses_are_five(verify, stack):
    to = number(42)
    verify.verifications.create(to=to, channel="sms")
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: post(stack, "/VerificationCheck", To=to, Code="000000"), range(40)))
    assert sum(a.status_code == 200 for a in answers) == 5


# When Redis is away


def test_without_redis_it_is_503(api):
    with running(workers=1) as own:
        own.valkey.kill()
        for answer in (
            post(own, "/Verifications", To=number(50), Channel="sms"),
            post(own, "/VerificationCheck", To=number(50), Code="000000"),
            get(own, f"/Verifications/VE{'0' * 32}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, 20503)
            assert int(answer.headers["Retry-After"]) >= 1


def test_every_error_has_a_code_of_twilios():
    """Those that a login can meet are in the table; what is left is ours, and 500."""
    reached = {kind.__name__ for kind in FAULTS}
    assert {"InvalidInput", "Unauthenticated", "NotFound", "RateLimited", "StoreUnavailable"} <= reached
    assert all(issubclass(kind, OtpError) for kind in FAULTS)
    guide = (ROOT / "service" / "web" / "docs" / "content" / "twilio.md").read_text()
    table = guide.partition("## Errors\n")[2].partition("\n## ")[0]
    known = {
        fault.code
        for fault in (*vars(problems).values(), *problems.BARRED.values())
        if isinstance(fault, problems.Fault)
    }
    known |= {fault.code for fault in problems.NOTHING_SENT.values()}
    assert {int(code) for code in re.findall(r"\b(?:20|60)\d{3}\b", table)} == known


# What is no request


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"To=%00&Channel=sms",
        b"To=%ff%fe&Channel=sms",
        b"To=" + b"9" * 5000 + b"&Channel=sms",
        b'{"To": "+14155550001", "Channel": "sms"}',
        b"To=%2B14155550001&Channel=" + b"s" * 300,
        b"To=%2B14155550001&Channel=email",
    ],
)
def test_hostile_forms(stack, body):
    for path in ("/Verifications", "/VerificationCheck", "/Entities", "/Entities/x/Factors"):
        answer = requests.post(
            f"{stack.url}{BASE}{path}",
            data=body,
            auth=AUTH,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=10,
        )
        assert (answer.status_code, answer.json()["code"]) == (400, 60200), path
        assert len(answer.content) < 1000


def test_what_is_too_large_or_no_credentials(stack):
    answer = post(stack, "/Verifications", To="9" * 70_000)
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (413, 60200, 413)
    for header in ("Basic", "Basic !!!!", "Basic //79", "Bearer " + API_KEY, "Basic " + "QQ" * 2000):
        answer = requests.post(
            f"{stack.url}{BASE}/Verifications", headers={"Authorization": header}, timeout=5
        )
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_who_begins_a_login_anew_goes_on_with_the_code_that_is_out(verify, stack):
    """As at Twilio, five times; but nothing is sent before its time. Then it is told when that is."""
    to, answers = number(43), []
    while not answers or answers[-1].status_code == 201:
        answers.append(post(stack, "/Verifications", To=to, Channel="sms"))
        assert len(answers) < 20
    *had, answer = answers
    assert len(had) >= 5
    assert len({one.json()["sid"] for one in had}) == 1
    assert 3 <= stack.sandbox.count("send") <= 5
    assert len(had[-1].json()["send_code_attempts"]) == stack.sandbox.count("send")
    assert (answer.status_code, answer.json()["code"]) == (429, 60203)
    assert int(answer.headers["Retry-After"]) >= 1
    assert verify.verification_checks.create(to=to, code=stack.sandbox.code(to)).valid
    assert answer.json()["more_info"] == "https://www.twilio.com/docs/errors/60203"
