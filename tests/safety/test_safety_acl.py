"""The Redis user that `deploy/security.md` names is enough for everything, and is good for nothing else."""

import json
import re
import shlex

import pytest
import redis
import requests

from tests.support.people import Person
from tests.support.receiver import Answer, receiving
from tests.support.secrecy import busy
from tests.support.servers import ClusterServers, started
from tests.support.stack import ACCOUNT, API_KEY, PHONE, ROOT, SERVICE, Stack, wait_until
from tests.support.visitor import Visitor

PASSWORD = "a password"


def documented() -> list[str]:
    """The words of the command in the documentation, from `ACL` on."""
    text = (ROOT / "deploy" / "security.md").read_text("utf-8")
    (command,) = re.findall(r"^valkey-cli (ACL SETUSER .*?)^```", text, re.MULTILINE | re.DOTALL)
    words = shlex.split(command.replace("\\\n", " "))
    return [word.replace("PASSWORD", PASSWORD) for word in words]


def for_a_cluster() -> list[str]:
    text = (ROOT / "deploy" / "security.md").read_text("utf-8")
    (words,) = re.findall(r"In a cluster also `([^`]+)`", text)
    return shlex.split(words)


def denied(admin: redis.Redis) -> list[str]:
    """What the server did not let anybody do."""
    return [f"{entry['reason']}: {entry['object']}" for entry in admin.acl_log()]


@pytest.fixture
def stack():
    found = Stack(worker_process=True)
    found.start_valkey()
    found.admin = redis.Redis.from_url(found.redis_url)
    found.admin.execute_command(*documented())
    found.redis_url = f"unix://otp:{PASSWORD.replace(' ', '%20')}@{found.socket}"
    for process in (found.web, found.worker):
        process.env["REDIS_URL"] = found.redis_url
    found.env["REDIS_URL"] = found.redis_url
    found.own_valkey = False
    found.env["OTP_PRIVATE_HOOKS"] = "127.0.0.1"
    yield found.start()
    found.stop()


@pytest.mark.timeout(300)  # it does everything there is to do
def test_the_documented_user_is_enough(stack, cli, tmp_path):
    env, api = stack.env, stack.api
    with receiving() as receiver:
        cli(env, "webhooks", "add", receiver.url)
        busy(stack, Person())
        wait_until(lambda: receiver.posts)
        hook = cli(env, "webhooks", "list", "--json")[0]["id"]
        for words in (("show", hook), ("test", hook), ("dead", hook), ("replay", hook)):
            cli(env, "webhooks", *words)
        receiver.answer = lambda _: Answer(500)  # tried again later
        cli(env, "webhooks", "test", hook)
        cli(env, "webhooks", "remove", hook)
    api.enroll("ada")
    assert api("PUT", "/v1/users/ada/contacts", {"phone": PHONE}).ok
    assert api("PUT", "/v1/users/ada/contacts", {"phone": None}).ok
    url, form = f"{stack.url}/v2/Services/{SERVICE}/Verifications", {"To": PHONE, "Channel": "sms"}
    assert requests.post(url, form, auth=(ACCOUNT, API_KEY), timeout=10).status_code == 201
    # Waiting for a change is told by pub/sub.
    waiting = api.start("ada", email="ada@example.com", channels=["email"])
    api("POST", f"/v1/challenges/{waiting['id']}/cancel", {})
    assert api("GET", f"/v1/challenges/{waiting['id']}?wait=1").json()["status"] == "canceled"
    cli(env, "mode", "fallback", "--reason", "x", "--country", "+91")
    cli(env, "mode", "clear", "--reason", "x", "--country", "+91")
    drill = api("POST", "/v1/ops/drills", {"kind": "outage", "reason": "x", "duration": 60})
    assert drill.status_code == 201, drill.text
    assert api("POST", f"/v1/ops/drills/{drill.json()['id']}/stop", {}).ok
    for path in ("health", "readiness", "readiness/stuck", "incidents", "audit", "traffic"):
        assert api("GET", f"/v1/ops/{path}").status_code in (200, 404)
    stack.sandbox.fail("http_500")
    for number in range(6):  # an outage: an incident is recorded, and alerts are noted
        api.start(f"user-{number}", phone=f"+1415555{number:04d}", email="x@example.com")
    wait_until(lambda: api("GET", "/v1/ops/incidents").json()["incidents"])
    link = api("POST", "/v1/users/ada/link", {}).json()["account_url"]
    assert Visitor(stack.url).open(link).answer.ok
    operator = Visitor(stack.url).open(f"{stack.url}/console/sign-in")
    assert operator.send("sign-in", key=API_KEY).answer.ok
    key = cli(env, "keys", "create", "--name", "x", "--scope", "ops", "--json")["id"]
    cli(env, "keys", "revoke", key)
    cli(env, "users", "show", "ada")
    cli(env, "status")
    cli(env, "audit", "verify")
    cli(env, "rotate-keys", "--json")
    cli(env, "migrate")
    file = tmp_path / "backup"
    cli(env, "export", file)
    stack.worker.kill()
    stack.web.kill()
    cli(env, "import", file, "--replace")
    told = json.loads(cli(env, "doctor", "--json", code=1))  # web and worker are gone
    found = {check["name"]: check for check in told["checks"]}
    for name in ("redis", "redis.server", "redis.persistence", "redis.role", "schema", "keyring"):
        assert found[name]["level"] == "ok", found[name]
    assert denied(stack.admin) == []


def test_every_command_in_the_code_is_documented():
    allowed = {word[1:].partition("|")[0] for word in documented() + for_a_cluster() if word.startswith("+")}
    used = {"scan", "info", "ping"}
    no_commands = {"loading"}  # an answer
    for path in (ROOT / "service" / "store").rglob("*.lua"):
        used |= {name.lower() for name in re.findall(r"redis\.call\('([A-Z]+)'", path.read_text())}
    for path in (ROOT / "service" / "store").rglob("*.py"):
        used |= {name.lower() for name in re.findall(r"""\(\s*"([A-Z]{3,})",""", path.read_text())}
    assert len(used) > 40
    assert used - allowed - no_commands == set()


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "other:key"), ("SET", "other:key", 1), ("FLUSHALL",), ("KEYS", "*"), ("CONFIG", "SET", "dir", "/tmp"),
        ("EVAL", "return redis.call('GET', KEYS[1])", 1, "otp:keyring"), ("ACL", "LIST"), ("MONITOR",),
        ("SUBSCRIBE", "other"), ("PUBLISH", "other", "x"), ("SHUTDOWN",), ("REPLICAOF", "NO", "ONE"),
        ("RENAME", "otp:keyring", "otp:x"), ("DUMP", "otp:keyring"), ("SCRIPT", "FLUSH"), ("CLIENT", "KILL", "x"),
    ],
)  # fmt: skip
def test_the_documented_user_may_do_nothing_else(bare, command):
    with pytest.raises(redis.exceptions.NoPermissionError):
        bare.execute_command(*command)


@pytest.fixture(scope="module")
def bare():
    """A connection of the documented user."""
    found = Stack()
    found.start_valkey()
    admin = redis.Redis.from_url(found.redis_url)
    admin.execute_command(*documented())
    admin.set("otp:keyring", "x")
    yield redis.Redis.from_url(f"unix://otp:{PASSWORD.replace(' ', '%20')}@{found.socket}?db=0")
    found.stop()


def test_on_a_cluster(cli, tmp_path):
    with started(ClusterServers) as servers:
        for port in servers.processes:
            servers.client(port).execute_command(*documented(), *for_a_cluster())
        login = f"otp:{PASSWORD.replace(' ', '%20')}"
        stack = Stack(REDIS_URL=servers.url.replace("://", f"://{login}@"), worker_process=True)
        try:
            stack.start()
            _, codes = stack.api.enroll("ada")
            assert stack.api.verify(stack.api.start("ada")["id"], codes[0]).json()["valid"]
            cli(stack.env, "export", tmp_path / "backup")
            cli(stack.env, "import", tmp_path / "backup", "--replace")
            cli(stack.env, "rotate-keys")
            for port in servers.processes:
                assert denied(servers.client(port)) == []
        finally:
            stack.stop()
