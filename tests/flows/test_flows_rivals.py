"""What rivals got wrong: a test for each line of that list, under its name."""

import time

import pytest

from tests.support.stack import Api, running, wait_until


def sms(challenge):
    return next(e for e in challenge["channels"] if e["channel"] == "sms")


def test_the_check_path_fails_too(person):
    with running(OTP_TWILIO_CUSTOM_CODE="true") as stack:
        challenge = stack.api.start(person.id, phone=person.phone)
        code = stack.sandbox.code(person.phone)
        stack.sandbox.fail("hang", operation="check")
        assert stack.api.verify(challenge["id"], code).json()["valid"] is True
        assert stack.sandbox.count("check") == 0


def test_a_404_from_the_check_means_over_not_outage(api, sandbox, person):
    first = api.start(person.id, phone=person.phone)
    second = api.start(person.id, phone=person.phone)
    code = sandbox.code(person.phone)
    api.verify(first["id"], code)
    answer = api.verify(second["id"], code)
    assert answer.status_code == 200
    assert answer.json()["notice"]["code"] == "code_ended"
    failures = [
        line
        for line in api("GET", "/metrics").text.splitlines()
        if line.startswith("otp_provider_checks_total") and "provider_fault" in line
    ]
    assert failures == []


@pytest.mark.parametrize("channels", [["sms", "voice", "whatsapp", "email"], ["sms", "voice", "totp"]])
def test_fraud_is_not_an_outage(api, sandbox, person, channels):
    api.enroll(person.id)
    sandbox.fail("fraud")
    challenge = api.start(person.id, phone=person.phone, email=person.email, channels=channels)
    assert challenge["channel"] in ("email", "totp")
    assert sandbox.count("send") == 1
    assert {e["channel"]: e.get("reason") for e in challenge["channels"]}["voice"] == "fraud_suspected"
    sandbox.heal()
    # Nor does the next login try a paid channel, within the block's 12 hours.
    again = api.start(person.id, phone=person.phone, email=person.email, channels=channels)
    assert again["channel"] == challenge["channel"]
    assert sandbox.count("send") == 1


def test_a_fallback_must_not_hide_the_outage(stack, person):
    stack.api.enroll(person.id)
    stack.sandbox.fail("http_503")
    challenge = stack.api.start(person.id, phone=person.phone)
    assert challenge["channel"] == "totp"
    metrics = stack.api("GET", "/metrics").text
    assert (
        'otp_send_failures_total{channel="sms",code="20503",failure_class="provider_fault",'
        'provider="twilio_verify"}' in metrics
    )
    (event,) = stack.events_of(challenge, "send_failed")
    assert (event["provider"], event["failure_class"], event["code"], event["country"]) == (
        "twilio_verify",
        "provider_fault",
        "20503",
        "+1",
    )


@pytest.mark.parametrize("channel", ["email", "sms", "totp"])
def test_last_attempt_counts(api, sandbox, person, channel):
    app, _ = api.enroll(person.id)

    def start():
        challenge = api.start(person.id, phone=person.phone, email=person.email, channels=[channel])
        for left in (4, 3, 2, 1):
            assert api.verify(challenge["id"], "000000").json()["attempts_remaining"] == left
        return challenge["id"]

    right = {
        "email": lambda: sandbox.code(person.email, "email"),
        "sms": lambda: sandbox.code(person.phone),
        "totp": app.now,
    }[channel]
    if channel == "sms":  # the provider allows five checks of one verification, too
        challenge_id = start()
        assert api.verify(challenge_id, right()).json()["valid"] is True
        return
    challenge_id = start()
    assert api.verify(challenge_id, right()).json()["valid"] is True
    challenge_id = start()
    answer = api.verify(challenge_id, "000000").json()
    assert (answer["valid"], answer["status"], answer["attempts_remaining"]) == (False, "locked", 0)
    assert api.verify(challenge_id, right()).status_code == 410


def test_an_attempt_on_an_expired_challenge_leaves_no_key_behind(person):
    with running(OTP_CHALLENGE_TTL="10") as stack:
        challenge = stack.api.start(person.id, email=person.email)
        # Time passes: its record goes the way that Redis lets records go.
        stack.redis().delete(*stack.redis().scan_iter("otp:*:c:*"))
        before = sorted(stack.redis().scan_iter("otp:*"))
        assert stack.api.verify(challenge["id"], "123456").status_code == 404
        assert stack.api("POST", f"/v1/challenges/{challenge['id']}/resend", {}).status_code == 404
        after = sorted(k for k in stack.redis().scan_iter("otp:*"))
        assert [k for k in after if k not in before] == []
        assert before


def test_a_resend_keeps_earlier_codes_valid(person):
    """With time moved: see also the domain's test of cool-downs."""
    with running() as stack:
        api = stack.api
        challenge = api.start(person.id, email=person.email)
        (first,) = stack.sandbox.messages(to=person.email, wait=5)
        (key,) = stack.redis().scan_iter("otp:*:c:*")
        waits = []
        for _ in range(4):
            record = stack.redis().get(key)
            began = time.time()
            seen = api.get(challenge["id"])
            waits.append(_seconds(seen["resend_after"]) - began)
            # Let the cool-down be over without waiting for it.
            resend_at = record.decode().split('"ra":')[1].split(",")[0].rstrip("}")
            stack.redis().set(key, record.replace(resend_at.encode(), b"1", 1), keepttl=True)
            assert api("POST", f"/v1/challenges/{challenge['id']}/resend", {}).status_code == 200
        assert [round(wait, -1) for wait in waits] == [30, 60, 120, 120]
        mails = stack.sandbox.messages(to=person.email)
        assert len(mails) == 5
        assert {mail["code"] for mail in mails} == {first["code"]}
        exhausted = api("POST", f"/v1/challenges/{challenge['id']}/resend", {})
        assert (exhausted.status_code, exhausted.json()["code"]) == (429, "sends_exhausted")
        assert api.verify(challenge["id"], first["code"]).json()["valid"] is True


def _seconds(text):
    from datetime import datetime

    return datetime.fromisoformat(text).timestamp()


def test_idempotency_key(stack, person):
    api = stack.api
    body = {"user_id": person.id, "phone": person.phone}
    headers = {"Idempotency-Key": f"login-{person.id}"}
    first = api("POST", "/v1/challenges", body, headers=headers)
    again = api("POST", "/v1/challenges", body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert len(stack.sandbox.messages(to=person.phone)) == 1
    other = api("POST", "/v1/challenges", {**body, "locale": "de"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_idempotency_key_of_a_request_that_is_still_running(stack, person):
    from concurrent.futures import ThreadPoolExecutor

    stack.sandbox.fail("slow", delay=0.8)
    body = {"user_id": person.id, "phone": person.phone}
    headers = {"Idempotency-Key": f"slow-{person.id}"}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(Api(stack.url), "POST", "/v1/challenges", body, headers=headers)
        wait_until(lambda: stack.sandbox.count("send") == 1)
        meanwhile = stack.api("POST", "/v1/challenges", body, headers=headers)
        assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency_key_in_use")
        done = first.result()
    assert done.status_code == 201
    assert stack.api("POST", "/v1/challenges", body, headers=headers).json() == done.json()
    assert stack.sandbox.count("send") == 1


def test_amr_has_registered_words_only(api, sandbox, person):
    # RFC 8176, section 2
    registered = {"face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pwd", "rba"}
    registered |= {"retina", "sc", "sms", "swk", "tel", "user", "vbm", "wia"}
    app, codes = api.enroll(person.id)
    answers = {
        "sms": lambda: sandbox.code(person.phone),
        "voice": lambda: sandbox.code(person.phone, "call"),
        "whatsapp": lambda: sandbox.code(person.phone, "whatsapp"),
        "email": lambda: sandbox.code(person.email, "email"),
        "totp": app.now,
        "backup_code": lambda: codes[0],
    }
    for channel, answer in answers.items():
        challenge = api.start(person.id, phone=person.phone, email=person.email, channels=[channel])
        verdict = api.verify(challenge["id"], answer()).json()
        assert set(verdict["amr"]) <= registered
        assert verdict["channel"] == channel


def test_a_new_enrolment_never_replaces_a_working_authenticator(api, person):
    app, _ = api.enroll(person.id)
    begun = api("POST", "/v1/enrollments", {"user_id": person.id}).json()
    wrong = api("POST", f"/v1/enrollments/{begun['id']}/confirm", {"code": "000000"})
    assert wrong.status_code == 422
    challenge = api.start(person.id, channels=["totp"])
    assert api.verify(challenge["id"], app.now()).json()["valid"] is True
    assert len(api("GET", f"/v1/users/{person.id}/factors").json()["factors"]) == 1


def test_limits_leave_factors_that_need_no_sending_open(api, sandbox, person):
    app, _ = api.enroll(person.id)
    for _ in range(6):  # somebody who knows the number uses up its sends
        api.start(person.id, phone=person.phone)
    assert sandbox.count("send") == 5
    challenge = api.start(person.id, phone=person.phone)
    assert challenge["channel"] == "totp"
    assert api.verify(challenge["id"], app.now()).json()["valid"] is True


def test_a_dead_end_is_never_silent(stack, person):
    challenge = stack.api.start(person.id, channels=["sms", "voice", "totp", "email"], min_assurance="aal2")
    assert challenge["status"] == "failed"
    assert {e["channel"]: e["reason"] for e in challenge["channels"]} == dict.fromkeys(
        ("sms", "voice", "totp", "email"), "not_enrolled"
    )
    wait_until(lambda: challenge["id"] in stack.web.text())
    assert sms(challenge)["state"] == "skipped"
