"""How many users would get in if SMS died now: counted with every change, never scanned."""

import concurrent.futures
import random

import pytest

from service.domain.channels import Channel
from service.domain.readiness import summed
from tests.support.commands import otp_fallback
from tests.support.stack import Api


@pytest.fixture(autouse=True)
def nobody(running_stack):
    """Each test counts from nothing."""
    client = running_stack.redis()
    for pattern in ("otp:*:u:*", "otp:*:classes", "otp:*:lacking"):
        for key in client.scan_iter(pattern):
            client.delete(key)


def readiness(api):
    return api("GET", "/v1/ops/readiness").json()


def stuck(api, limit=50):
    found, after = [], None
    while True:
        query = f"?limit={limit}" + (f"&after={after}" if after else "")
        answer = api("GET", f"/v1/ops/readiness/stuck{query}").json()
        found += answer["users"]
        after = answer["next"]
        if after is None:
            return found


def contacts(api, user, **fields):
    assert api("PUT", f"/v1/users/{user}/contacts", fields).status_code == 200


def test_a_users_way_through_the_counters(api):
    assert readiness(api) == {
        "users": 0, "ready": 0, "stuck": 0, "share": None,
        "by_factor": {"totp": 0, "email": 0, "backup_code": 0}, "applications": [],
    }  # fmt: skip
    contacts(api, "ann", phone="+14155550101")
    assert (readiness(api)["users"], readiness(api)["stuck"]) == (1, 1)
    assert stuck(api) == [{"application": "default", "user_id": "ann", "phone": "+1415***0101"}]
    _, codes = api.enroll("ann")
    now = readiness(api)
    assert (now["ready"], now["stuck"], now["share"]) == (1, 0, 1.0)
    assert now["by_factor"] == {"totp": 1, "email": 0, "backup_code": 1}
    assert stuck(api) == []
    factor = api("GET", "/v1/users/ann/factors").json()["factors"][0]["id"]
    api("DELETE", f"/v1/users/ann/factors/{factor}")
    assert readiness(api)["by_factor"] == {"totp": 0, "email": 0, "backup_code": 1}
    for code in codes:
        assert api.verify(api.start("ann", channels=["backup_code"])["id"], code).json()["valid"]
    assert (readiness(api)["ready"], readiness(api)["stuck"]) == (0, 1)  # the last code is used up
    contacts(api, "ann", email="ann@mail.example")
    assert readiness(api)["by_factor"] == {"totp": 0, "email": 1, "backup_code": 0}
    api("DELETE", "/v1/users/ann")
    assert readiness(api)["users"] == 0


def test_by_application(stack, api):
    import json

    words = ["keys", "create", "--name", "x", "--scope", "enrollments", "--application", "other", "--json"]
    made = otp_fallback(stack.env, *words, check=True)
    other = Api(stack.url, json.loads(made.stdout)["key"])
    contacts(api, "ann", phone="+14155550101")
    contacts(other, "ann", phone="+14155550101", email="a@mail.example")
    now = readiness(api)
    assert (now["users"], now["ready"]) == (2, 1)
    assert {a["application"]: a["stuck"] for a in now["applications"]} == {"default": 1, "other": 0}


def test_the_list_is_whole_page_by_page(api):
    for number in range(60):
        contacts(api, f"user-{number}", phone=f"+141555501{number:02d}")
    for limit in (7, 60, 500):
        assert {user["user_id"] for user in stuck(api, limit)} == {f"user-{n}" for n in range(60)}
        assert len(stuck(api, limit)) == 60


def test_counters_are_right_under_concurrency(stack, api):
    seed = random.Random(1)

    def change(number):
        mine, user = Api(stack.url), f"user-{number % 7}"
        match seed.randrange(4):
            case 0:
                mine("PUT", f"/v1/users/{user}/contacts", {"phone": "+14155550101"})
            case 1:
                mine("PUT", f"/v1/users/{user}/contacts", {"email": seed.choice(["x@mail.example", None])})
            case 2:
                mine("POST", f"/v1/users/{user}/backup-codes", {})
            case _:
                mine("DELETE", f"/v1/users/{user}")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(120)))
    expected = {"users": 0, "ready": 0, "email": 0, "backup_code": 0}
    for number in range(7):
        has = api("GET", f"/v1/users/user-{number}/factors").json()
        email, codes = bool(has["contacts"]["email"]), bool(has["backup_codes"]["remaining"])
        expected["users"] += bool(has["contacts"]["phone"]) or email or codes
        expected["ready"] += email or codes
        expected["email"] += email
        expected["backup_code"] += codes
    now = readiness(api)
    assert {"users": now["users"], "ready": now["ready"]} == {k: expected[k] for k in ("users", "ready")}
    assert now["by_factor"] == {"totp": 0, "email": expected["email"], "backup_code": expected["backup_code"]}
    assert len(stuck(api)) == now["stuck"]


def test_a_hint_for_who_has_no_fallback(api):
    challenge = api.start("bob", phone="+14155550102", locale="en")
    assert challenge["enrollment_hint"]["code"] == "no_fallback"
    assert "Set up an authenticator app" in challenge["enrollment_hint"]["message"]
    assert api.get(challenge["id"])["enrollment_hint"] == challenge["enrollment_hint"]
    german = api.start("bob", phone="+14155550102", locale="de")["enrollment_hint"]["message"]
    assert "Richten Sie" in german
    assert "enrollment_hint" not in api.start("bob", phone="+14155550102", email="b@mail.example")
    api.enroll("bob")
    assert "enrollment_hint" not in api.start("bob", phone="+14155550102", channels=["sms"])


def test_bad_questions(api):
    for query in ("limit=0", "after=x", "after=00"):
        assert api("GET", f"/v1/ops/readiness/stuck?{query}").status_code == 422


def test_sums():
    found = summed([("p", 3), ("pe", 2), ("ptb", 1), ("e", 4)])
    assert (found.users, found.ready, found.stuck, found.share) == (10, 7, 3, 0.7)
    assert found.by_factor == {Channel.TOTP: 1, Channel.EMAIL: 6, Channel.BACKUP_CODE: 1}
