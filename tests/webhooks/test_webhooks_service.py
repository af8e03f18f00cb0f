"""By the API and the command line, told by a worker process."""

import json
import re
import threading

import pytest

from tests.support.people import *  # noqa: F403 - fixtures are found by their names here
from tests.support.receiver import Answer
from tests.support.stack import Api, wait_until


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "600", "OTP_CHANGE_NOTICES": "false"}


@pytest.fixture
def hook(api, receiver):
    """A webhook that hears all, removed in the end."""
    made = api("POST", "/v1/ops/webhooks", {"url": f"{receiver.url}/otp"})
    assert made.status_code == 201, made.text
    yield made.json()
    api("DELETE", f"/v1/ops/webhooks/{made.json()['id']}")


@pytest.fixture
def path(hook):
    return f"/v1/ops/webhooks/{hook['id']}"


def told_of(receiver, challenge):
    return [p.json["type"] for p in list(receiver.posts) if p.json["data"].get("id") == challenge["id"]]


def test_a_login_is_told_in_order_and_signed(stack, api, sandbox, person, receiver, hook):
    sandbox.fail("http_500")
    challenge = api.start(person.id, phone=person.phone, email=person.email)
    assert api.verify(challenge["id"], sandbox.code(person.email, "email")).json()["valid"]
    wait_until(lambda: "challenge.approved" in told_of(receiver, challenge))
    assert told_of(receiver, challenge) == [
        event["type"]
        for event in stack.events()
        if event.get("id") == challenge["id"] and event["type"] != "provider.checked"
    ]
    for posted in receiver.posts:
        posted.verified(hook["secret"])
        text = posted.body.decode()
        assert person.id not in text
        assert person.phone not in text
        assert person.email not in text
    switched = next(p.json for p in receiver.posts if p.json["type"] == "challenge.switched")
    assert switched["data"] == {
        "id": challenge["id"], "application": "default", "channel": "email",
        "source": "sms", "target": "email", "reason": "provider_error",
    }  # fmt: skip
    assert len({p.headers["webhook-id"] for p in receiver.posts}) == len(receiver.posts)


def test_a_worker_that_is_killed_mid_delivery_loses_nothing(stack, api, sandbox, people, receiver, hook):
    """What it had sent and not heard of comes again, with the same id; nothing is left out."""
    held, reached = threading.Event(), threading.Event()

    def hold(_):
        reached.set()
        held.wait(60)
        return Answer()

    receiver.answer = hold
    users = [people() for _ in range(5)]
    challenges = [api.start(p.id, phone=p.phone, email=p.email) for p in users]
    assert reached.wait(20)
    stack.worker.kill()
    begun = list(receiver.posts)
    receiver.answer = lambda _: Answer()
    held.set()
    later = [api.start(p.id, phone=p.phone, email=p.email) for p in users]
    # The lease of the dead one is a minute; a test has no time for that.
    client = stack.redis()
    client.delete("otp:{health}:leader")
    lanes = f"otp:{{hooks}}:lanes:{hook['id']}"
    for lane in client.zrange(lanes, 0, -1):
        client.zadd(lanes, {lane: 1})
    stack.worker.start()
    wanted = {
        f"msg_{key.decode()[5:7]}_{entry.decode()}"
        for key in client.scan_iter("otp:*:outbox")
        for entry, fields in client.xrange(key)
        if json.loads(fields[b"data"]).get("id") in {c["id"] for c in challenges + later}
    }
    assert len(wanted) >= 20
    wait_until(lambda: wanted <= {p.headers["webhook-id"] for p in list(receiver.posts)}, 30)
    for challenge in challenges + later:
        distinct = list(dict.fromkeys(told_of(receiver, challenge)))
        assert distinct == ["challenge.created", "challenge.sent"]
    assert {p.headers["webhook-id"] for p in begun} <= {
        p.headers["webhook-id"] for p in receiver.posts[len(begun) :]
    }


def test_a_test_message_through_the_worker(api, receiver, hook, path, cli):
    queued = api("POST", f"{path}/test")
    assert queued.status_code == 202
    posted = wait_until(lambda: next(iter(receiver.posts), None))
    assert posted.headers["webhook-id"] == queued.json()["message_id"]
    assert posted.verified(hook["secret"])["data"] == {"webhook": hook["id"]}
    state = wait_until(lambda: (s := api("GET", path).json()["state"])["last_success_at"] and s)
    assert (state["last_status"], state["pending"], state["failures"]) == ("200", 0, 0)
    assert cli("webhooks", "test", hook["id"], "--json")["message_id"].startswith("msg_test_")


def test_reading_and_changing(api, receiver, hook, path, cli):
    assert re.fullmatch(r"wh_[\w-]{16}", hook["id"])
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", hook["secret"])
    assert "secret" not in api("GET", path).json()
    listed = api("GET", "/v1/ops/webhooks").json()["webhooks"]
    assert [one["id"] for one in listed] == [hook["id"]]
    changed = api("PATCH", path, {"events": ["incident.*"], "description": "pager"}).json()
    assert (changed["events"], changed["description"], changed["enabled"], changed["url"]) == (
        ["incident.*"],
        "pager",
        True,
        hook["url"],
    )
    assert api("PATCH", path, {"enabled": False}).json()["events"] == ["incident.*"]
    refused = api("POST", f"{path}/test")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_disabled")
    assert api("PATCH", path, {"enabled": True, "description": None}).json()["description"] is None
    fresh = api("POST", f"{path}/rotate-secret").json()["secret"]
    assert fresh != hook["secret"]
    trail = cli("audit", "list", "--json", "--limit", 5)
    assert [entry["action"] for entry in trail] == [
        "webhook.rotate_secret",
        *["webhook.change"] * 3,
        "webhook.create",
    ]
    assert all(entry["target"] == hook["id"] for entry in trail)
    for secret in (fresh, hook["secret"], "/otp"):
        assert secret not in json.dumps(trail)
    assert cli("audit", "verify", "--json")["valid"]


def test_by_the_command_line(receiver, cli, api):
    made = cli(
        "webhooks",
        "add",
        f"{receiver.url}/cli",
        "--event",
        "incident.*",
        "--event",
        "challenge.failed",
        "--json",
    )
    assert made["events"] == ["incident.*", "challenge.failed"]
    assert made["secret"].startswith("whsec_")
    assert made["id"] in cli("webhooks")
    assert [one["id"] for one in cli("webhooks", "list", "--json")] == [made["id"]]
    assert (
        cli("webhooks", "show", made["id"], "--json") == api("GET", f"/v1/ops/webhooks/{made['id']}").json()
    )
    assert "incident.*" in cli("webhooks", "show", made["id"])
    assert cli("webhooks", "dead", made["id"], "--json") == []
    assert cli("webhooks", "replay", made["id"], "--json") == {"replayed": 0}
    assert cli("webhooks", "remove", made["id"], "--json") == {"id": made["id"], "removed": True}
    cli("webhooks", "show", made["id"], code=1)
    cli("webhooks", "add", "http://10.0.0.1/", code=2)
    cli("webhooks", "add", receiver.url, "--event", "nonsense", code=2)
    words = cli("webhooks", "add", f"{receiver.url}/cli").split()
    assert words[0].startswith("whsec_")
    cli("webhooks", "remove", words[1].rstrip(":"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "nonsense"}, "url"),
        ({"url": "http://169.254.169.254/latest"}, "url"),
        ({"url": "http://u:hunter2@127.0.0.1/"}, "url"),
        ({"url": "http://127.0.0.1/", "events": ["nonsense"]}, "events.0"),
        ({"url": "http://127.0.0.1/", "events": "incident.*"}, "events"),
        ({"url": "http://127.0.0.1/", "application": ""}, "application"),
        ({"url": "http://127.0.0.1/", "secret": "mine"}, "secret"),
    ],
)
def test_bad_requests_change_nothing(stack, api, body, field):
    answer = api("POST", "/v1/ops/webhooks", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert "hunter2" not in answer.text
    assert api("GET", "/v1/ops/webhooks").json() == {"webhooks": []}


def test_bad_questions(api, hook, path):
    for method, suffix in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/test"),
        ("GET", "/dead"),
        ("POST", "/replay"),
        ("POST", "/rotate-secret"),
    ):
        answer = api(method, f"/v1/ops/webhooks/wh_none{suffix}", {})
        assert (answer.status_code, answer.json()["code"]) == (404, "webhook_not_found")
    assert api("PATCH", path, {"url": "http://10.0.0.1/"}).status_code == 422
    assert api("PATCH", path, {"url": ""}).status_code == 422
    assert api("PATCH", path, {"enabled": "no"}).status_code == 422
    assert api("PATCH", path, {"enabled": None, "url": None, "events": None}).json()["url"] == hook["url"]
    assert api("GET", f"{path}/dead?limit=0").status_code == 422
    assert api("GET", f"{path}/dead?before=x").status_code == 422
    assert api("POST", f"{path}/replay", {"ids": ["x"]}).status_code == 422


def test_only_operators(stack, cli):
    key = cli("keys", "create", "--name", "login", "--scope", "challenges", "--json")["key"]
    assert Api(stack.url, key)("GET", "/v1/ops/webhooks").status_code == 403
