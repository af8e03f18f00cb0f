"""Logins that use Twilio Verify, by Twilio's own SDK: the same, and more when SMS fails."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from service.domain.errors import OtpError
from service.http.twilio.problems import FAULTS
from service.http.twilio.sids import of_id
from tests.support.stack import ACCOUNT, API_KEY, EMAIL, SERVICE, TOKEN, running
from tests.twilio.conftest import connected, new_key, refusal

BASE = f"/v2/Services/{SERVICE}"
AUTH = (ACCOUNT, API_KEY)


def number(of):
    """A phone number of one test's own."""
    return f"+1415555{of:04d}"


def post(stack, path, auth=AUTH, **form):
    return requests.post(f"{stack.url}{BASE}{path}", data=form, auth=auth, timeout=20)


def get(stack, path):
    return requests.get(f"{stack.url}{BASE}{path}", auth=AUTH, timeout=20)


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
    soon = refusal(verify.verifications.create, to=to, channel="sms")  # the third pause is a second
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
    fault = refusal(connected(stack.url, service="VA12").verifications.create, to=number(8), channel="sms")
    assert (fault.status, fault.code) == (404, 20404)
    for path in ("/v2/Services", "/v2/nothing", f"{BASE}/RateLimits"):
        answer = requests.get(stack.url + path, auth=AUTH, timeout=5)
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


# Who gets in when SMS does not work


def enrolled(api, user, to, email=None):
    app, codes = api.enroll(user)
    contacts = {"phone": to, "email": email or f"{user}@example.com"}
    assert api("PUT", f"/v1/users/{user}/contacts", contacts).ok
    return app, codes


def login(verify, to, code):
    """What an application does today, and goes on doing."""
    verify.verifications.create(to=to, channel="sms")
    return verify.verification_checks.create(to=to, code=code()).status == "approved"


def test_an_outage_in_which_unchanged_code_lets_users_in(verify, api, stack):
    to = number(20)
    app, codes = enrolled(api, "ann", to)
    stack.sandbox.fail("http_503", operation="all")
    sent = verify.verifications.create(to=to, channel="sms")
    assert (sent.status, sent.channel) == ("pending", "totp")
    assert verify.verification_checks.create(to=to, code=app.now()).status == "approved"
    assert login(verify, to, lambda: codes[0])
    assert not login(verify, to, lambda: codes[0])  # once


def test_an_outage_for_who_has_an_address(verify, api, stack):
    to, email = number(21), "bea@example.com"
    assert api("PUT", "/v1/users/bea/contacts", {"phone": to, "email": email}).ok
    stack.sandbox.fail("http_503", operation="all")
    sent = verify.verifications.create(to=to, channel="sms")
    assert (sent.channel, sent.to) == ("email", to)
    right = verify.verification_checks.create(to=to, code=stack.sandbox.code(email, "email"))
    assert (right.status, right.channel) == ("approved", "email")


def test_asking_for_another_message_in_an_outage_is_no_error(verify, api, stack):
    to = number(22)
    app, _ = enrolled(api, "cay", to)
    stack.sandbox.fail("http_503", operation="all")
    for _ in range(8):
        assert verify.verifications.create(to=to, channel="sms").channel == "totp"
    assert verify.verification_checks.create(to=to, code=app.now()).valid


def test_an_outage_for_who_has_nothing_else(verify, stack):
    stack.sandbox.fail("http_503", operation="all")
    fault = refusal(verify.verifications.create, to=number(23), channel="sms")
    assert (fault.status, fault.code) == (503, 20503)
    stack.sandbox.reset()
    assert verify.verifications.create(to=number(23), channel="sms").status == "pending"


@pytest.mark.parametrize(
    ("kind", "code"),
    [("landline", 60205), ("blocked", 60238), ("geo", 60605), ("fraud", 60410), ("invalid_parameter", 60200)],
)
def test_numbers_that_can_not_be_reached(verify, stack, kind, code):
    stack.sandbox.fail(kind)
    for _ in range(2):  # asked, and remembered
        assert refusal(verify.verifications.create, to=number(code % 10000), channel="sms").code == code


def test_by_e_mail_from_the_start(verify, stack):
    sent = verify.verifications.create(to="dan@example.com", channel="email")
    assert (sent.channel, sent.to) == ("email", "dan@example.com")
    code = stack.sandbox.code("dan@example.com", "email")
    assert verify.verification_checks.create(to="dan@example.com", code=code).valid


# Whose number it is


def test_a_number_of_two_users_leads_to_neither(verify, api, stack):
    """Else who sets another's number as theirs would answer for the other with their own app."""
    to = number(30)
    thief, codes = enrolled(api, "thief", to)
    mine, _ = enrolled(api, "victim", to)
    stack.sandbox.fail("http_503", operation="all")
    assert refusal(verify.verifications.create, to=to, channel="sms").code == 20503
    stack.sandbox.reset()
    sent = verify.verifications.create(to=to, channel="sms")
    assert sent.channel == "sms"
    for code in (thief.now(), codes[0], mine.now()):
        assert not verify.verification_checks.create(to=to, code=code).valid
    assert verify.verification_checks.create(to=to, code=stack.sandbox.code(to)).valid


def test_a_number_follows_its_user(verify, api, stack):
    old, new = number(31), number(32)
    app, _ = enrolled(api, "eva", old)
    api("PUT", "/v1/users/eva/contacts", {"phone": new})
    other, _ = enrolled(api, "fred", old, "fred@example.com")
    stack.sandbox.fail("http_503", operation="all")
    verify.verifications.create(to=old, channel="sms")
    assert not verify.verification_checks.create(to=old, code=app.now()).valid
    assert verify.verification_checks.create(to=old, code=other.now()).valid
    verify.verifications.create(to=new, channel="sms")
    assert verify.verification_checks.create(to=new, code=app.now()).valid
    api("DELETE", "/v1/users/fred")
    assert refusal(verify.verifications.create, to=old, channel="sms").code == 20503
    assert not [name for name in stack.redis().scan_iter("otp:*:w:*") if b"fred" in name]


def test_a_stale_entry_leads_nowhere(verify, api, stack):
    """What the index says is believed of those only whose record says it, too."""
    to = number(33)
    app, _ = enrolled(api, "gus", number(34))
    enrolled(api, "hal", to)
    client = stack.redis()
    key = next(k for k in client.scan_iter("otp:*:u:*"))
    for name in client.scan_iter("otp:*:w:*"):
        client.hset(name, key.decode().rpartition(":")[2], 1)  # somebody is said to have every number
    stack.sandbox.fail("http_503", operation="all")
    sent = verify.verifications.create(to=to, channel="sms")
    assert sent.channel == "totp"
    assert not verify.verification_checks.create(to=to, code=app.now()).valid


def test_nobody_enrols_for_a_number_that_is_nobodys(verify, api, stack):
    """Whatever user ids an application lets people choose."""
    to = number(35)
    for user in (to, f"to:{to}", f"tel:{to}"):
        app, _ = api.enroll(user)
        verify.verifications.create(to=to, channel="sms")
        assert not verify.verification_checks.create(to=to, code=app.now()).valid


def test_neither_numbers_nor_who_has_them_can_be_read(verify, api, stack):
    to = number(36)
    enrolled(api, "ida", to)
    verify.verifications.create(to=to, channel="sms")
    stored = stack.everything_stored()
    assert to[1:] not in stored
    assert "ida@" not in stored


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
    assert post(stack, "/Verifications", To="9" * 70_000).status_code == 413
    for header in ("Basic", "Basic !!!!", "Basic //79", "Bearer " + API_KEY, "Basic " + "QQ" * 2000):
        answer = requests.post(
            f"{stack.url}{BASE}/Verifications", headers={"Authorization": header}, timeout=5
        )
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)


def test_when_to_try_again_is_told(verify, stack):
    to = number(43)
    for _ in range(3):
        verify.verifications.create(to=to, channel="sms")
    answer = post(stack, "/Verifications", To=to, Channel="sms")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.json()["more_info"] == "https://www.twilio.com/docs/errors/60203"
