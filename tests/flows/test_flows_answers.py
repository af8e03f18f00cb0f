"""Answering: by every channel, late, twice, at the same moment, while the provider is down."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.stack import Api, running


def race(calls):
    """Make calls at the same moment; their answers."""
    gate = threading.Barrier(len(calls))

    def run(call):
        gate.wait()
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, call) for call in calls]]


def wrong(*codes):
    """A code that is none of these."""
    return next(c for c in ("000000", "111111", "222222") if c not in codes)


@pytest.mark.parametrize(
    ("channel", "sandbox_channel", "amr"),
    [("sms", "sms", ["sms"]), ("voice", "call", ["tel"]), ("whatsapp", "whatsapp", ["otp"])],
)
def test_by_phone(api, sandbox, person, channel, sandbox_channel, amr):
    challenge = api.start(person.id, phone=person.phone, channels=[channel])
    assert (challenge["channel"], challenge["accepts"], challenge["notice"]) == (channel, [channel], None)
    code = sandbox.code(person.phone, sandbox_channel)
    assert api.verify(challenge["id"], wrong(code)).json() == {
        "valid": False,
        "status": "pending",
        "attempts_remaining": 4,
    }
    verdict = api.verify(challenge["id"], f" {code[:3]} {code[3:]} ").json()
    assert (verdict["valid"], verdict["channel"], verdict["amr"]) == (True, channel, amr)
    assert (verdict["assurance"], verdict["restricted"]) == ("aal2", True)
    seen = api.get(challenge["id"])
    assert (seen["status"], seen["approved_by"], seen["accepts"]) == ("approved", channel, [])
    assert seen["proof"] == verdict["proof"]


def test_by_mail(api, sandbox, person):
    challenge = api.start(person.id, email=person.email, channels=["email"], locale="de")
    (mail,) = sandbox.messages(to=person.email, wait=5)
    assert mail["code"] in mail["text"]
    assert mail["code"] in mail["html"]
    assert mail["headers"]["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in mail["headers"]
    assert "Ihr Code" in mail["text"]
    verdict = api.verify(challenge["id"], mail["code"]).json()
    assert (verdict["channel"], verdict["assurance"], verdict["restricted"]) == ("email", "aal1", False)


def test_by_app_and_by_backup_code(api, person):
    app, codes = api.enroll(person.id)
    assert len(codes) == 10
    first = api.start(person.id, channels=["totp"])
    assert api.verify(first["id"], app.now()).json()["channel"] == "totp"
    second = api.start(person.id, channels=["totp", "backup_code"])
    assert second["accepts"] == ["totp", "backup_code"]
    sloppy = codes[3].lower().replace("-", " ")
    assert api.verify(second["id"], sloppy).json()["channel"] == "backup_code"
    factors = api("GET", f"/v1/users/{person.id}/factors").json()
    assert factors["backup_codes"]["remaining"] == 9


def test_a_late_sms_still_works_after_the_switch(api, sandbox, person):
    challenge = api.start(person.id, phone=person.phone, email=person.email)
    switched = api("POST", f"/v1/challenges/{challenge['id']}/switch", {}).json()
    assert switched["channel"] == "email"
    assert switched["accepts"] == ["sms", "email"]
    assert [(s["from"], s["to"], s["reason"]) for s in switched["switches"]] == [
        ("sms", "email", "user_request")
    ]
    assert api.verify(challenge["id"], sandbox.code(person.phone)).json()["channel"] == "sms"


def test_an_sms_that_left_although_its_send_timed_out_still_works(api, sandbox, person):
    sandbox.fail("slow", delay=1.5)  # answered after our deadline, and delivered then
    challenge = api.start(person.id, phone=person.phone, email=person.email)
    assert challenge["switches"][0]["reason"] == "deadline"
    assert challenge["accepts"] == ["sms", "email"]
    assert api.verify(challenge["id"], sandbox.code(person.phone)).json()["channel"] == "sms"


@pytest.mark.parametrize("kind", ["http_503", "hang", "reset", "unauthorized", "throttled"])
def test_a_check_while_the_provider_is_down_counts_no_attempt(api, sandbox, person, kind):
    app, _ = api.enroll(person.id)
    challenge = api.start(person.id, phone=person.phone)
    code = sandbox.code(person.phone)
    sandbox.fail(kind, operation="check")
    answer = api.verify(challenge["id"], code)
    assert answer.status_code == 503
    problem = answer.json()
    assert problem["code"] == "check_unavailable"
    assert problem["accepts"] == ["totp", "backup_code"]
    assert int(answer.headers["Retry-After"]) > 0
    assert api.get(challenge["id"])["attempts_remaining"] == 5
    sandbox.heal()
    assert api.verify(challenge["id"], code).json()["valid"] is True
    assert app is not None


def test_local_codes_work_while_the_provider_is_down(api, sandbox, person):
    app, codes = api.enroll(person.id)
    for answer in (app.now, lambda: codes[0]):
        challenge = api.start(person.id, phone=person.phone)
        sandbox.fail("hang", operation="check")
        assert api.verify(challenge["id"], answer()).json()["valid"] is True
        sandbox.heal()
    assert sandbox.count("check") == 0


def test_an_outage_of_the_check_is_no_free_guessing(api, sandbox, person):
    api.enroll(person.id)
    challenge = api.start(person.id, phone=person.phone)
    sandbox.fail("http_503", operation="check")
    statuses = [api.verify(challenge["id"], "000000").status_code for _ in range(11)]
    assert statuses == [503] * 5 + [200] * 5 + [410]


def test_the_providers_404_means_that_the_code_is_over(api, sandbox, person):
    first = api.start(person.id, phone=person.phone)
    second = api.start(person.id, phone=person.phone, email=person.email)
    code = sandbox.code(person.phone)
    assert api.verify(first["id"], code).json()["valid"] is True
    answer = api.verify(second["id"], code)
    assert answer.status_code == 200
    assert answer.json()["valid"] is False
    assert answer.json()["notice"]["code"] == "code_ended"
    seen = api.get(second["id"])
    assert seen["accepts"] == []
    assert next(e for e in seen["channels"] if e["channel"] == "sms")["reason"] == "ended"
    again = api("POST", f"/v1/challenges/{second['id']}/resend", {})
    assert again.status_code == 200
    assert again.json()["accepts"] == ["sms"]
    assert api.verify(second["id"], sandbox.code(person.phone)).json()["valid"] is True


@pytest.mark.parametrize("channel", ["email", "totp", "backup_code", "sms"])
def test_forty_racing_answers_with_one_code_approve_one(stack, person, channel):
    api = stack.api
    app, codes = api.enroll(person.id)
    challenge = api.start(person.id, phone=person.phone, email=person.email, channels=[channel])
    code = {
        "email": lambda: stack.sandbox.code(person.email, "email"),
        "sms": lambda: stack.sandbox.code(person.phone),
        "totp": app.now,
        "backup_code": lambda: codes[0],
    }[channel]()
    answers = race([lambda: Api(stack.url).verify(challenge["id"], code)] * 40)
    approvals = [a for a in answers if a.status_code == 200 and a.json()["valid"]]
    assert len(approvals) == 1
    assert {a.status_code for a in answers} <= {200, 409, 410}
    assert len(stack.events_of(challenge, "approved")) == 1
    assert api.get(challenge["id"])["status"] == "approved"


@pytest.mark.parametrize("channel", ["totp", "backup_code"])
def test_one_code_over_twenty_challenges_approves_one(stack, person, channel):
    api = stack.api
    app, codes = api.enroll(person.id)
    ids = [api.start(person.id, channels=["totp", "backup_code"])["id"] for _ in range(20)]
    code = app.now() if channel == "totp" else codes[0]
    answers = race([lambda id_=id_: Api(stack.url).verify(id_, code) for id_ in ids])
    assert [a.json().get("valid") for a in answers].count(True) == 1
    assert all(a.status_code == 200 for a in answers)


@pytest.mark.parametrize("channel", ["email", "totp", "sms"])
def test_forty_racing_guesses_are_five(stack, person, channel):
    api = stack.api
    api.enroll(person.id)
    challenge = api.start(person.id, phone=person.phone, email=person.email, channels=[channel])
    answers = race([lambda: Api(stack.url).verify(challenge["id"], "000000")] * 40)
    counted = [a for a in answers if a.status_code == 200]
    assert len(counted) == 5
    assert not any(a.json()["valid"] for a in counted)
    assert Counter(a.status_code for a in answers if a.status_code != 200).keys() <= {409, 410}
    assert api.get(challenge["id"])["status"] == "locked"
    if channel == "sms":
        assert stack.sandbox.count("check") <= 5


def test_a_named_channel_is_the_only_one_compared(api, sandbox, person):
    app, _ = api.enroll(person.id)
    challenge = api.start(person.id, phone=person.phone)
    answer = api.verify(challenge["id"], app.now(), channel="sms").json()
    assert answer["valid"] is False
    refused = api.verify(challenge["id"], app.now(), channel="email")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "channel"
    assert api.get(challenge["id"])["attempts_remaining"] == 4
    assert api.verify(challenge["id"], app.now(), channel="totp").json()["valid"] is True


def test_ended_challenges_say_how_they_ended(api, sandbox, person):
    canceled = api.start(person.id, email=person.email)["id"]
    assert api("POST", f"/v1/challenges/{canceled}/cancel", {}).json()["status"] == "canceled"
    locked = api.start(person.id, email=person.email)["id"]
    for _ in range(5):
        api.verify(locked, "000000")
    approved = api.start(person.id, email=person.email)["id"]
    # The newest mail is this one's.
    assert api.verify(approved, sandbox.code(person.email, "email")).json()["valid"] is True
    for challenge_id, status, code in (
        (canceled, 409, "challenge_canceled"),
        (locked, 410, "challenge_locked"),
        (approved, 409, "challenge_approved"),
    ):
        for call in ("verify", "resend", "switch", "cancel"):
            answer = api(
                "POST",
                f"/v1/challenges/{challenge_id}/{call}",
                {"code": "123456"} if call == "verify" else {},
            )
            assert (answer.status_code, answer.json()["code"]) == (status, code), call


def test_resending_waits_longer_each_time_and_stops(api, sandbox, person):
    challenge = api.start(person.id, phone=person.phone, email=person.email)
    path = f"/v1/challenges/{challenge['id']}/resend"
    answer = api("POST", path, {})
    assert answer.status_code == 429
    assert answer.json()["code"] == "resend_too_soon"
    assert 25 <= int(answer.headers["Retry-After"]) <= 30
    assert len(sandbox.messages(to=person.phone)) == 1


def test_the_providers_five_sends_are_counted_before_it_is_called(api, sandbox, person):
    for _ in range(5):
        assert api.start(person.id, phone=person.phone, email=person.email)["channel"] == "sms"
    assert sandbox.count("send") == 5
    sixth = api.start(person.id, phone=person.phone, email=person.email)
    assert sixth["channel"] == "email"
    assert sandbox.count("send") == 5


def test_switching(api, sandbox, person):
    api.enroll(person.id)
    challenge = api.start(person.id, phone=person.phone, email=person.email)
    path = f"/v1/challenges/{challenge['id']}/switch"
    named = api("POST", path, {"channel": "email"}).json()
    assert named["channel"] == "email"
    assert len(sandbox.messages(to=person.email, wait=5)) == 1
    back = api("POST", path, {"channel": "sms"}).json()
    assert back["channel"] == "sms"
    assert len(sandbox.messages(to=person.phone)) == 1  # its code is out already
    assert api("POST", path, {"channel": "backup_code"}).json()["channel"] == "backup_code"
    end = api("POST", path, {})
    assert (end.status_code, end.json()["code"]) == (409, "no_other_channel")
    refused = api("POST", path, {"channel": "voice"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "channel")


def test_minimum_assurance(api, person):
    api.enroll(person.id)
    challenge = api.start(person.id, email=person.email, channels=["email", "totp"], min_assurance="aal2")
    assert challenge["channel"] == "totp"
    assert challenge["channels"][0] == {
        "channel": "email",
        "state": "skipped",
        "reason": "below_min_assurance",
        "to": challenge["channels"][0]["to"],
    }
    nothing = api.start(person.id + "x", email=person.email, channels=["email"], min_assurance="aal2")
    assert nothing["status"] == "failed"


def test_what_a_challenge_was_started_with_comes_back(api, person):
    challenge = api.start(person.id, email=person.email, action="login", metadata={"order": "17"})
    assert (challenge["action"], challenge["metadata"]) == ("login", {"order": "17"})
    assert api.get(challenge["id"])["metadata"] == {"order": "17"}


def test_custom_codes_are_checked_here_outage_or_not(person):
    with running(OTP_TWILIO_CUSTOM_CODE="true") as stack:
        challenge = stack.api.start(person.id, phone=person.phone)
        code = stack.sandbox.code(person.phone)
        stack.sandbox_process.kill()
        assert stack.api.verify(challenge["id"], wrong(code)).json()["valid"] is False
        assert stack.api.verify(challenge["id"], code).json()["channel"] == "sms"
