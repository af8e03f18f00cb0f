"""What version 0.1.0 left behind is served by this version, and nobody notices."""

import time

import pyotp
import pytest

from service.http.application import create_app
from service.store import keys
from service.store.health import HealthStore
from service.store.migrations import CURRENT
from service.store.redis import connect
from tests.migrations.first import EXPECTED, FACTS, MADE_AT
from tests.support.stack import Api, Stack, wait_until

PEOPLE = FACTS["people"]


@pytest.fixture
def call(upgraded):
    """Calls the API of a process whose clock stands a second after the state was made."""
    client = create_app(upgraded).test_client()

    def call(method, path, body=None, application="default"):
        headers = {"Authorization": f"Bearer {FACTS['keys'][application]}"}
        return client.open(path, method=method, json=body, headers=headers)

    return call


def start(call, user, application="default", **fields):
    answer = call("POST", "/v1/challenges", {"user_id": user, **fields}, application)
    assert answer.status_code == 201, answer.text
    return answer.json


def verify(call, challenge, code, application="default"):
    return call("POST", f"/v1/challenges/{challenge['id']}/verify", {"code": code}, application).json["valid"]


def application_of(name):
    return "shop" if name == "fay" else "default"


@pytest.mark.parametrize("name", PEOPLE)
def test_apps_and_unused_codes_work_and_used_ones_do_not(call, clock, name):
    person, application = PEOPLE[name], application_of(name)
    challenge = start(call, name, application)
    for code in person["used"][:4]:
        assert not verify(call, challenge, code, application)
    assert verify(call, challenge, pyotp.TOTP(person["secret"]).at(clock() // 1000), application)
    for code in person["unused"]:
        assert verify(call, start(call, name, application), code, application)
        assert not verify(call, start(call, name, application), code, application)


def test_a_step_that_was_used_stays_used(call, clock):
    second = pyotp.TOTP(PEOPLE["gus"]["second"])
    at = PEOPLE["gus"]["second_step"] * 30
    assert clock() // 1000 - at < 60
    assert not verify(call, start(call, "gus"), second.at(at))
    assert verify(call, start(call, "gus"), second.at(at + 30))


def test_a_pending_challenge_is_answered(call, clock):
    by_mail = FACTS["pending"]
    found = call("GET", f"/v1/challenges/{by_mail['id']}").json
    assert (found["status"], found["accepts"]) == ("pending", ["email", "totp", "backup_code"])
    assert not verify(call, by_mail, PEOPLE["ada"]["used"][0])
    assert verify(call, by_mail, by_mail["code"])
    assert call("GET", f"/v1/challenges/{by_mail['id']}").json["approved_by"] == "email"


def test_a_pending_challenge_ends_when_it_would_have(call, clock):
    clock.now = MADE_AT + 600_000
    answer = call(
        "POST", f"/v1/challenges/{FACTS['pending']['id']}/verify", {"code": FACTS["pending"]["code"]}
    )
    assert answer.status_code == 410


def test_a_locked_challenge_stays_locked(call):
    assert call("GET", f"/v1/challenges/{FACTS['locked']}").json["status"] == "locked"


def test_a_pending_enrolment_is_confirmed(call, clock):
    enrollment = FACTS["enrollment"]
    code = pyotp.TOTP(enrollment["secret"]).at(clock() // 1000)
    done = call("POST", f"/v1/enrollments/{enrollment['id']}/confirm", {"code": code})
    assert done.status_code == 200
    assert len(done.json["backup_codes"]) == 10


def test_modes_hold(call, clock):
    clock.now = MADE_AT + 5000
    modes = call("GET", "/v1/ops/mode").json["settings"]
    assert [(o["country"], o["mode"], o["reason"]) for o in modes] == [("+91", "fallback", "Twilio incident")]
    body = {"mode": "auto", "country": "+91", "reason": "over", "version": 0}
    assert call("PUT", "/v1/ops/mode", body).status_code == 200


def test_api_keys_hold(call):
    assert call("GET", "/v1/users/ada/factors").json["factors"]
    assert call("GET", "/v1/users/ada/factors", application="shop").json["factors"] == []
    assert call("GET", "/v1/users/ada/factors", application="revoked").status_code == 401


def counted(services):
    counts = services.readiness._readiness.counts()
    found: dict = {}
    for (application, letters), count in counts.items():
        found.setdefault(application, {})[letters] = count
    return found


def test_everybody_is_counted(call, upgraded, redis):
    assert counted(upgraded) == EXPECTED
    told = call("GET", "/v1/ops/readiness").json
    assert (told["users"], told["ready"], told["stuck"]) == (6, 5, 1)
    stuck = call("GET", "/v1/ops/readiness/stuck").json["users"]
    assert [user["user_id"] for user in stuck] == ["bob"]
    assert redis.get(keys.SCHEMA) == b"%d" % CURRENT
    assert redis.get(keys.SCHEMA_LEASE) is None


def test_counting_goes_on(call, upgraded):
    assert call("PUT", "/v1/users/bob/contacts", {"email": "bob@example.com"}).status_code == 200
    assert call("DELETE", "/v1/users/dan").status_code in (200, 204)
    for code in PEOPLE["gus"]["unused"]:
        verify(call, start(call, "gus"), code)
    default = {**EXPECTED["default"], "pe": 1, "t": 1}
    assert counted(upgraded)["default"] == {k: n for k, n in default.items() if k not in ("p", "tb")}


def test_real_processes_on_it(restored):
    """With today's clock: what was pending then is over; the worker copes with events of then."""
    stack = Stack(worker_process=True)
    try:
        stack.start_valkey()
        restored(stack.redis_url, alive=False)
        stack.start_sandbox()
        stack.worker.start()  # it and the web workers begin at once
        stack.start_web()
        app = pyotp.TOTP(PEOPLE["ada"]["secret"])
        assert stack.api.verify(stack.api.start("ada")["id"], app.at(time.time())).json()["valid"]
        shop = Api(stack.url, FACTS["keys"]["shop"])
        assert shop.verify(shop.start("fay")["id"], PEOPLE["fay"]["unused"][0]).json()["valid"]
        assert stack.api("GET", "/v1/ops/readiness").json()["users"] == 6
        late = stack.api.start("bob", phone="+919876543210", email="bob@example.com")
        assert (late["channel"], late["switches"][0]["reason"]) == ("email", "mode")
        wait_until(lambda: stack.redis().exists(keys.HEALTH_KNOWLEDGE))
        wait_until(lambda: HealthStore(connect(stack.redis_url)).unread_since() is None)
        for said in ("decision_failed", "deadline_failed", "crashed", "webhook_failed", "alert_failed"):
            assert said not in stack.worker.text() + stack.web.text()
    finally:
        stack.stop()
