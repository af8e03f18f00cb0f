"""`POST /v1/proofs/introspect`, the command, and what both do to a running service."""

import base64
import json
import threading
import time

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OKPKey

from tests.support.commands import otp_fallback
from tests.support.stack import Api, running, wait_until

PATH = "/v1/proofs/introspect"


def ask(api, proof, **fields):
    answer = api("POST", PATH, {"proof": proof, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def approved(api, person):
    """A challenge that was passed."""
    app, _ = api.enroll(person.id)
    challenge = api.start(person.id, channels=["totp"])
    return {**challenge, **api.verify(challenge["id"], app.now()).json()}


@pytest.fixture
def other(cli, stack):
    """The API as another application has it."""
    made = cli("keys", "create", "--name", "x", "--scope", "challenges", "--application", "other", "--json")
    return Api(stack.url, made["key"])


def test_a_good_proof_is_told(api, approved, person):
    said = ask(api, approved["proof"])
    assert said.pop("issued_at") < said.pop("expires_at")
    assert said == {
        "active": True,
        "challenge_id": approved["id"],
        "user_id": person.id,
        "application": "default",
        "channel": "totp",
        "amr": ["otp"],
        "assurance": "aal2",
    }
    assert ask(api, approved["proof"])["active"], "looking does not use it up"


def test_another_application_learns_nothing(other, approved):
    assert ask(other, approved["proof"]) == {"active": False}
    assert ask(other, approved["proof"], use_once=True) == {"active": False}


def test_another_application_does_not_use_it_up(api, other, approved):
    ask(other, approved["proof"], use_once=True)
    assert ask(api, approved["proof"], use_once=True)["active"]


def forgeries(proof):
    head, body, signature = proof.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    mallory = OKPKey.generate_key("Ed25519")
    kid = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    # Another key under the published id, and one that it brings itself.
    yield jwt.encode({"alg": "EdDSA", "kid": kid}, claims, mallory, algorithms=["EdDSA"])
    own = mallory.as_dict(private=False)
    yield jwt.encode({"alg": "EdDSA", "jwk": own}, claims, mallory, algorithms=["EdDSA"])
    changed = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "root"}).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    yield f"{head}.{changed}.{signature}"
    yield f"{none}.{body}."
    yield f"{head}.{body}."
    deep = base64.urlsafe_b64encode(b"[" * 2500).decode().rstrip("=")
    yield f"{deep}.{body}.{signature}"
    yield from ("x", "a.b.c", "..", "é.é.é", "\x00", proof + "A", proof[:-1])


def test_a_forged_one_is_as_good_as_an_unknown_one(api, approved):
    for forged in forgeries(approved["proof"]):
        assert ask(api, forged) == {"active": False}, forged
        assert ask(api, forged, use_once=True) == {"active": False}, forged
    assert ask(api, approved["proof"])["active"]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(min_size=1, max_size=200))
def test_nonsense_is_no_error(api, text):
    answer = api("POST", PATH, {"proof": text})
    assert (answer.status_code, answer.json()) == (200, {"active": False})


def test_what_is_no_request_is_told(api):
    for body in ({}, {"proof": ""}, {"proof": "x" * 4097}, {"proof": 1}, {"proof": "x", "use_once": "yes"}):
        assert api("POST", PATH, body).status_code == 422, body


def test_it_needs_the_scope(cli, stack):
    made = cli("keys", "create", "--name", "e", "--scope", "enrollments", "--json")
    assert Api(stack.url, made["key"])("POST", PATH, {"proof": "x"}).status_code == 403
    assert requests.post(stack.url + PATH, json={"proof": "x"}, timeout=5).status_code == 401


def test_a_proof_is_used_once_by_one_of_many(api, approved, stack):
    answers, barrier = [], threading.Barrier(8)

    def use():
        mine = Api(stack.url)
        barrier.wait()
        answers.append(ask(mine, approved["proof"], use_once=True)["active"])

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [False] * 7 + [True]
    assert ask(api, approved["proof"]) == {"active": False}


def test_a_lost_answer_can_be_had_again(api, approved):
    headers = {"Idempotency-Key": approved["id"]}
    body = {"proof": approved["proof"], "use_once": True}
    first = api("POST", PATH, body, headers=headers).json()
    assert first["active"]
    assert api("POST", PATH, body, headers=headers).json() == first
    assert ask(api, approved["proof"], use_once=True) == {"active": False}


def test_an_old_one_is_not_active(process, clock, login):
    services = process()
    done = login(services)
    proof = services.proofs.sign(done, "alice", clock())
    issued = done.ended_at // 1000
    clock.now = (issued + 300) * 1000 - 1
    assert services.proofs.introspect("default", proof) is not None
    clock.now += 1
    assert services.proofs.introspect("default", proof) is None


def kids(stack):
    answer = requests.get(f"{stack.url}/.well-known/jwks.json", timeout=5)
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    return [key["kid"] for key in answer.json()["keys"]]


def test_the_command(api, stack, cli, approved):
    """Every process publishes the new key within seconds; a proof of a leaked one is refused."""
    before = kids(stack)
    made = cli("rotate-keys", "--proofs", "--reason", "quarterly", "--json")
    assert made["made"]
    assert made["published"] == [*before, made["key"]]
    assert made["signs_from"] > time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 300))
    wait_until(lambda: all(kids(stack) == made["published"] for _ in range(12)))
    assert "none was made" in cli("rotate-keys", "--proofs")
    assert ask(api, approved["proof"])["active"]
    leaked = cli("rotate-keys", "--proofs", "--now", "--reason", "leaked", "--json")
    assert leaked["published"] == [leaked["key"]]
    wait_until(lambda: all(kids(stack) == leaked["published"] for _ in range(12)))
    # Each process by itself: that of this connection may be the last to hear of it.
    wait_until(lambda: ask(api, approved["proof"]) == {"active": False})
    wait_until(lambda: ask(api, api.get(approved["id"])["proof"])["active"])
    entries = cli("audit", "list", "--json")
    assert [e["action"] for e in entries[:2]] == ["proofs.revoke", "proofs.rotate"]
    cli("rotate-keys", "--now", code=2)


def test_an_export_holds_the_keys(stack, cli, tmp_path):
    made = cli("rotate-keys", "--proofs", "--now", "--json")
    cli("export", tmp_path / "all.otpbackup")
    with running() as restored:
        restored.web.kill()
        restored.redis().flushall()
        otp_fallback(restored.env, "import", tmp_path / "all.otpbackup", check=True)
        restored.start_web()
        assert kids(restored) == [made["key"]]
