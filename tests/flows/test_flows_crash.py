"""kill -9 of the server and of Redis: nothing acknowledged is lost, and nothing is approved meanwhile."""

import threading

import pytest
import requests

from tests.support.stack import Api, running, wait_until


@pytest.fixture
def own():
    with running(worker_process=True) as stack:
        yield stack


def test_what_was_acknowledged_survives_kill_9_of_redis(own, people):
    api = own.api
    crowd = [people() for _ in range(10)]
    apps = [api.enroll(person.id) for person in crowd]
    used = api.start(crowd[0].id, channels=["backup_code"])
    assert api.verify(used["id"], apps[0][1][0]).json()["valid"] is True
    pending = api.start(crowd[1].id, email=crowd[1].email, channels=["email"])
    code = own.sandbox.code(crowd[1].email, "email")
    api("PUT", "/v1/ops/mode", {"mode": "fallback", "reason": "a test"})

    own.valkey.kill()
    own.start_valkey()
    wait_until(lambda: requests.get(f"{own.url}/readyz", timeout=2).ok)

    assert api("GET", "/v1/ops/mode").json()["mode"] == "fallback"
    again = api.start(crowd[0].id, channels=["backup_code"])
    assert api.verify(again["id"], apps[0][1][0]).json()["valid"] is False  # used is used
    assert api.verify(again["id"], apps[0][1][1]).json()["valid"] is True
    assert api.verify(pending["id"], code).json()["valid"] is True
    for person, (app, _) in zip(crowd, apps, strict=True):
        challenge = api.start(person.id, channels=["totp"])
        assert api.verify(challenge["id"], app.now()).json()["valid"] is True


def test_while_redis_is_away_everything_is_503_and_nothing_approved(own, people):
    api, person = own.api, people()
    app, codes = api.enroll(person.id)
    challenge = api.start(person.id, phone=person.phone, email=person.email)
    own.valkey.kill()
    try:
        calls = [
            ("POST", "/v1/challenges", {"user_id": person.id}),
            ("GET", f"/v1/challenges/{challenge['id']}", None),
            ("POST", f"/v1/challenges/{challenge['id']}/verify", {"code": app.now()}),
            ("POST", f"/v1/challenges/{challenge['id']}/verify", {"code": codes[0]}),
            ("POST", f"/v1/challenges/{challenge['id']}/resend", {}),
            ("POST", f"/v1/challenges/{challenge['id']}/switch", {}),
            ("POST", f"/v1/challenges/{challenge['id']}/cancel", {}),
            ("POST", "/v1/enrollments", {"user_id": person.id}),
            ("POST", "/v1/enrollments/en_00AAAAAAAAAAAAAAAAAAAAAA/confirm", {"code": "123456"}),
            ("GET", f"/v1/users/{person.id}/factors", None),
            ("DELETE", f"/v1/users/{person.id}/factors/fa_x", None),
            ("POST", f"/v1/users/{person.id}/backup-codes", {}),
            ("PUT", f"/v1/users/{person.id}/contacts", {"email": person.email}),
            ("DELETE", f"/v1/users/{person.id}", None),
            ("GET", "/v1/ops/mode", None),
            ("PUT", "/v1/ops/mode", {"mode": "auto", "reason": "x"}),
            ("GET", "/readyz", None),
        ]
        for method, path, body in calls:
            answer = api(method, path, body)
            assert answer.status_code == 503, (method, path, answer.text)
            assert answer.json()["code"] == "store_unavailable"
            assert int(answer.headers["Retry-After"]) >= 1
        assert requests.get(f"{own.url}/healthz", timeout=5).status_code == 200
        assert requests.get(f"{own.url}/metrics", timeout=5).status_code == 200
    finally:
        own.start_valkey()
    wait_until(lambda: requests.get(f"{own.url}/readyz", timeout=2).ok)
    assert api.verify(challenge["id"], app.now()).json()["valid"] is True  # no restart was needed
    assert own.worker.popen.poll() is None


def test_kill_9_of_the_web_server_under_load(own, people):
    """Every acknowledged backup code stays used, every acknowledged enrolment stays."""
    stop = threading.Event()
    enrolled, used = [], []

    def load():
        api = Api(own.url)
        while not stop.is_set():
            person = people()
            try:
                app, codes = api.enroll(person.id)
                enrolled.append((person, app))
                challenge = api.start(person.id, channels=["backup_code"])
                if api.verify(challenge["id"], codes[0]).json().get("valid"):
                    used.append((person, codes[0]))
            except (requests.RequestException, AssertionError, ValueError, KeyError):
                continue

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for round_ in (1, 2):
        wait_until(lambda n=round_ * 6: len(used) >= n)
        own.web.kill()
        own.start_web()
    wait_until(lambda: len(used) >= 15)
    stop.set()
    for thread in threads:
        thread.join(30)
    for person, code in used:
        challenge = own.api.start(person.id, channels=["backup_code"])
        assert own.api.verify(challenge["id"], code).json()["valid"] is False
    for person, app in enrolled:
        challenge = own.api.start(person.id, channels=["totp"])
        assert own.api.verify(challenge["id"], app.now()).json()["valid"] is True
