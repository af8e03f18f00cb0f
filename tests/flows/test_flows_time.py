"""What happens while nobody asks: deadlines, expiry, waiting for a change."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.stack import Api, wait_until

BUSY = 8  # seconds; 2 by the contract, but tests share a machine, and what hangs here hangs for good


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "1", "OTP_CHALLENGE_TTL": "10"}


def test_a_start_over_a_hanging_provider_answers_within_its_deadline(api, sandbox, person):
    # The contract: OTP_SEND_DEADLINE + 1 s; it is 1 s here.
    sandbox.fail("hang", operation="all")
    sandbox.fail("mail_hang")
    for channels in (["sms", "email"], ["sms", "voice", "whatsapp", "email", "totp"], ["email", "sms"]):
        began = time.monotonic()
        api.start(person.id, phone=person.phone, email=person.email, channels=channels)
        assert time.monotonic() - began < BUSY


def test_a_check_over_a_hanging_provider_answers_within_its_deadline(api, sandbox, person):
    challenge = api.start(person.id, phone=person.phone)
    sandbox.fail("hang", operation="check")
    began = time.monotonic()
    assert api.verify(challenge["id"], "123456").status_code == 503
    assert time.monotonic() - began < BUSY


def test_what_is_not_answered_in_time_is_switched_by_the_worker(stack, person):
    stack.sandbox.fail("not_delivered", operation="send", country=person.phone)
    with ThreadPoolExecutor(1) as pool:
        challenge = stack.api.start(person.id, phone=person.phone, email=person.email)
        waiting = pool.submit(Api(stack.url), "GET", f"/v1/challenges/{challenge['id']}?wait=30")
        began = time.monotonic()
        seen = waiting.result().json()
        assert time.monotonic() - began < 15  # it was woken, not timed out
    while seen["channel"] != "email" or seen["channels"][1]["state"] != "sent":
        seen = stack.api("GET", f"/v1/challenges/{challenge['id']}?wait=5").json()
    assert [(s["from"], s["to"], s["reason"]) for s in seen["switches"]] == [
        ("sms", "email", "not_delivered")
    ]
    assert seen["notice"]["code"] == "sms_not_delivered"
    assert set(seen["accepts"]) == {"sms", "email"}
    (mail,) = stack.sandbox.messages(to=person.email, wait=5)
    assert stack.api.verify(challenge["id"], mail["code"]).json()["channel"] == "email"


def test_an_answered_challenge_is_not_switched(stack, person, people):
    challenge = stack.api.start(person.id, phone=person.phone, email=person.email)
    assert stack.api.verify(challenge["id"], stack.sandbox.code(person.phone)).json()["valid"] is True
    # Another one, started later, passes its deadline: this one's has passed by then.
    other = people()
    marker = stack.api.start(other.id, phone=other.phone, email=other.email)
    wait_until(lambda: stack.api.get(marker["id"])["channel"] == "email")
    assert stack.api.get(challenge["id"])["switches"] == []
    assert stack.sandbox.messages(to=person.email) == []


def test_a_worker_that_dies_leaves_its_work_to_the_next_and_nobody_gets_two_mails(stack, people):
    crowd = [people() for _ in range(8)]
    ids = [stack.api.start(p.id, phone=p.phone, email=p.email)["id"] for p in crowd]
    wait_until(lambda: stack.redis().exists(*stack.redis().scan_iter("otp:*:due")))
    stack.worker.kill()  # wherever it is
    stack.worker.start()
    # A claim of the dead one is due again when its lease ends; let that be now.
    for key in stack.redis().scan_iter("otp:*:due"):
        for member in stack.redis().zrange(key, 0, -1):
            if member.decode() in ids:
                stack.redis().zadd(key, {member: int(time.time() * 1000)}, xx=True)
    for person, challenge_id in zip(crowd, ids, strict=True):
        wait_until(
            lambda i=challenge_id: (
                stack.api.get(i)["channel"] == "email" or stack.api.get(i)["status"] == "expired"
            ),
            20,
        )
        mails = stack.sandbox.messages(to=person.email)
        assert len(mails) <= 1


def test_an_expired_challenge_is_told_once(stack, person):
    challenge = stack.api.start(person.id, email=person.email)
    ended = wait_until(lambda: stack.events_of(challenge, "expired"), 20)
    assert len(ended) == 1
    seen = stack.api.get(challenge["id"])
    assert (seen["status"], seen["accepts"]) == ("expired", [])
    answer = stack.api.verify(challenge["id"], "123456")
    assert (answer.status_code, answer.json()["code"]) == (410, "challenge_expired")


def test_waiting_without_a_change_ends_by_itself(api, person):
    challenge = api.start(person.id, channels=["email"], email=person.email)
    began = time.monotonic()
    seen = api("GET", f"/v1/challenges/{challenge['id']}?wait=1")
    assert time.monotonic() - began >= 0.99
    assert seen.json()["status"] == "pending"


def test_waiting_from_what_was_seen_last_answers_at_once_when_that_is_past(api, person):
    challenge = api.start(person.id, phone=person.phone, email=person.email)
    seen = api("GET", f"/v1/challenges/{challenge['id']}")
    api("POST", f"/v1/challenges/{challenge['id']}/switch", {})
    began = time.monotonic()
    fresh = api(
        "GET",
        f"/v1/challenges/{challenge['id']}?wait=20",
        headers={"If-None-Match": seen.headers["ETag"]},
    )
    assert fresh.json()["channel"] == "email"
    assert time.monotonic() - began < 10


def test_a_verification_wakes_who_waits(stack, person):
    with ThreadPoolExecutor(1) as pool:
        challenge = stack.api.start(person.id, email=person.email)
        waiting = pool.submit(Api(stack.url), "GET", f"/v1/challenges/{challenge['id']}?wait=30")
        code = stack.sandbox.code(person.email, "email")
        assert stack.api.verify(challenge["id"], code).json()["valid"] is True
        assert waiting.result().json()["status"] == "approved"
