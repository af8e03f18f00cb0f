"""Who may call, what answers carry, proofs."""

import base64
import json
import time

import pytest
import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.support.commands import otp_fallback
from tests.support.stack import API_KEY, Api, running, wait_until


def cli(stack, *words):
    done = otp_fallback(stack.env, *words, "--json", check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def keys(stack):
    made = {
        scope: cli(stack, "keys", "create", "--name", scope, "--scope", scope)["key"]
        for scope in ("challenges", "enrollments", "ops")
    }
    made["shop"] = cli(
        stack, "keys", "create", "--name", "shop", "--application", "shop",
        "--scope", "challenges", "--scope", "enrollments",
    )["key"]  # fmt: skip
    return made


CALLS = [
    ("challenges", "POST", "/v1/challenges"),
    ("challenges", "GET", "/v1/challenges/x"),
    ("challenges", "POST", "/v1/challenges/x/verify"),
    ("challenges", "POST", "/v1/challenges/x/resend"),
    ("challenges", "POST", "/v1/challenges/x/switch"),
    ("challenges", "POST", "/v1/challenges/x/cancel"),
    ("enrollments", "POST", "/v1/enrollments"),
    ("enrollments", "POST", "/v1/enrollments/x/confirm"),
    ("enrollments", "GET", "/v1/users/x/factors"),
    ("enrollments", "DELETE", "/v1/users/x/factors/y"),
    ("enrollments", "POST", "/v1/users/x/backup-codes"),
    ("enrollments", "PUT", "/v1/users/x/contacts"),
    ("enrollments", "DELETE", "/v1/users/x"),
    ("ops", "GET", "/v1/ops/mode"),
    ("ops", "PUT", "/v1/ops/mode"),
    ("ops", "GET", "/v1/ops/health"),
]


@pytest.mark.parametrize(("scope", "method", "path"), CALLS)
def test_scopes(stack, keys, scope, method, path):
    for held in ("challenges", "enrollments", "ops"):
        answer = Api(stack.url, keys[held])(method, path, {"nonsense": 1})
        if held == scope:
            assert answer.status_code not in (401, 403), answer.text
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    answer = requests.request(method, stack.url + path, json={"nonsense": 1}, timeout=5)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Bearer nonsense", f"Basic {API_KEY}", f"Token {API_KEY}", API_KEY,
     f"Bearer {API_KEY}x", f"Bearer {API_KEY[:-1]}", "Bearer " + "x" * 600],
)  # fmt: skip
def test_keys_that_are_none(stack, value):
    answer = requests.get(f"{stack.url}/v1/ops/mode", headers={"Authorization": value}, timeout=5)
    assert answer.status_code == 401
    assert API_KEY not in answer.text
    assert "nonsense" not in answer.text


def test_the_word_bearer_may_be_written_in_any_case(stack):
    headers = {"Authorization": f"bearer {API_KEY}"}
    assert requests.get(f"{stack.url}/v1/ops/mode", headers=headers, timeout=5).status_code == 200


def test_another_applications_things_are_not_there(stack, keys):
    mine, theirs = stack.api, Api(stack.url, keys["shop"])
    app, _ = mine.enroll("same-user")
    challenge = mine.start("same-user", channels=["totp"])
    enrollment = mine("POST", "/v1/enrollments", {"user_id": "same-user"}).json()
    for method, path, body in (
        ("GET", f"/v1/challenges/{challenge['id']}", None),
        ("POST", f"/v1/challenges/{challenge['id']}/verify", {"code": app.now()}),
        ("POST", f"/v1/challenges/{challenge['id']}/cancel", {}),
        ("POST", f"/v1/enrollments/{enrollment['id']}/confirm", {"code": "123456"}),
    ):
        absent = path.replace(challenge["id"], challenge["id"][:-4] + "AAAA").replace(
            enrollment["id"], enrollment["id"][:-4] + "AAAA"
        )
        other, nothing = theirs(method, path, body), theirs(method, absent, body)
        assert other.status_code == nothing.status_code == 404
        assert other.json()["code"] == nothing.json()["code"]
    assert theirs("GET", "/v1/users/same-user/factors").json()["factors"] == []
    assert theirs.start("same-user", channels=["totp"])["status"] == "failed"
    assert mine.verify(challenge["id"], app.now()).json()["valid"] is True


def test_a_revoked_key_stops_working_within_seconds(stack):
    made = cli(stack, "keys", "create", "--name", "brief", "--scope", "ops")
    api = Api(stack.url, made["key"])
    assert api("GET", "/v1/ops/mode").status_code == 200
    cli(stack, "keys", "revoke", made["id"])
    wait_until(lambda: api("GET", "/v1/ops/mode").status_code == 401, 10)


# What answers carry


@pytest.mark.parametrize(
    ("given", "echoed"),
    [
        ("abc-123._X", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("a b", False),
        ("<script>", False),
        ("", False),
    ],
)
def test_request_ids(stack, given, echoed):
    answer = requests.get(f"{stack.url}/healthz", headers={"X-Request-Id": given}, timeout=5)
    assert (answer.headers["X-Request-Id"] == given) is echoed
    assert answer.headers["X-Request-Id"]
    problem = requests.get(f"{stack.url}/nothing", headers={"X-Request-Id": "mine"}, timeout=5).json()
    assert problem["request_id"] == "mine"


def test_headers_of_answers(stack, api):
    for answer in (
        api("POST", "/v1/enrollments", {"user_id": "h"}),
        api("GET", "/v1/challenges/x"),
        requests.get(f"{stack.url}/healthz", timeout=5),
    ):
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not any(c.isdigit() for c in answer.headers.get("Server", ""))  # no version
    assert "max-age" in requests.get(f"{stack.url}/.well-known/jwks.json", timeout=5).headers["Cache-Control"]


def test_a_start_says_where_its_challenge_is(api):
    api.enroll("w")
    answer = api("POST", "/v1/challenges", {"user_id": "w"})
    assert answer.headers["Location"] == f"/v1/challenges/{answer.json()['id']}"
    assert answer.headers["ETag"] == api("GET", answer.headers["Location"]).headers["ETag"]


def test_headers_of_proxies_are_not_believed(stack, api):
    spoofed = {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
    }
    answer = api("POST", "/v1/enrollments", {"user_id": "p"}, headers=spoofed)
    assert "evil.example" not in answer.text
    assert "evil.example" not in str(answer.headers)


def test_metrics(stack, api):
    api.start("m", email="m@mail.example", channels=["email"])
    answer = requests.get(f"{stack.url}/metrics", timeout=5)
    assert answer.headers["Content-Type"].startswith("text/plain")
    names = {line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")}
    ours = {name for name in names if name.startswith("otp_")}
    assert {"otp_challenges_total", "otp_sends_total", "otp_http_requests_total"} <= ours
    assert 'route="/v1/challenges"' in answer.text


def test_ready_and_alive(stack):
    assert requests.get(f"{stack.url}/healthz", timeout=5).json() == {"status": "ok"}
    assert requests.get(f"{stack.url}/readyz", timeout=5).json() == {"status": "ok"}
    assert requests.head(f"{stack.url}/healthz", timeout=5).status_code == 200


# Proofs


def claims(token, key_set):
    return jwt.decode(token, key_set, algorithms=["EdDSA"])


def test_a_proof_can_be_checked_offline(stack, api):
    app, _ = api.enroll("prover")
    challenge = api.start("prover", channels=["totp"])
    assert "proof" not in challenge
    assert "proof" not in api.verify(challenge["id"], "000000").json()
    before = int(time.time())
    verdict = api.verify(challenge["id"], app.now()).json()
    key_set = KeySet.import_key_set(requests.get(f"{stack.url}/.well-known/jwks.json", timeout=5).json())
    token = claims(verdict["proof"], key_set)
    assert token.header["alg"] == "EdDSA"
    assert token.header["kid"] in {key["kid"] for key in key_set.as_dict()["keys"]}
    said = token.claims
    assert (said["aud"], said["sub"], said["jti"]) == ("default", "prover", challenge["id"])
    assert said["exp"] - said["iat"] == 300
    assert before - 2 <= said["iat"] <= int(time.time()) + 2
    assert (said["amr"], said["acr"], said["channel"]) == (["otp"], "aal2", "totp")
    assert "d" not in key_set.as_dict()["keys"][0]

    head, body, signature = verdict["proof"].split(".")
    other = base64.urlsafe_b64encode(json.dumps({**said, "sub": "mallory"}).encode()).decode().rstrip("=")
    for forged in (
        f"{head}.{other}.{signature}",
        f"{head}.{body}.",
        f"{_b64({'alg': 'none'})}.{body}.",
        f"{head}.{body}.{signature[:-4]}AAAA",
    ):
        with pytest.raises((JoseError, ValueError)):
            claims(forged, key_set)


def _b64(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_all_processes_sign_with_the_same_key():
    with running(workers=3) as stack:
        kids = {
            key["kid"]
            for _ in range(12)
            for key in requests.get(f"{stack.url}/.well-known/jwks.json", timeout=5).json()["keys"]
        }
        assert len(kids) == 1
