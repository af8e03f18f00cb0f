"""The commands as an operator and as a script uses them."""

import json
import subprocess
import sys

import pytest

from tests.support.commands import otp_fallback
from tests.support.stack import ROOT, Api, running

COMMANDS = [
    "serve",
    "web",
    "worker",
    "import",
    "export",
    "rotate-keys",
    "mode",
    "demo",
    "openapi",
    "keys",
    "keys create",
    "keys list",
    "keys revoke",
    "audit",
    "audit list",
    "audit export",
    "audit verify",
    "drill",
    "drill outage",
    "drill brown-out",
    "drill silent",
    "drill show",
    "drill stop",
    "incidents",
    "status",
    "users",
    "users show",
    "users reset",
    "incidents show",
    "incidents update",
    "webhooks",
    "webhooks list",
    "webhooks add",
    "webhooks show",
    "webhooks remove",
    "webhooks test",
    "webhooks dead",
    "webhooks replay",
    "alerts",
    "alerts test",
    "doctor",
]


@pytest.fixture(scope="module")
def stack():
    with running() as found:
        yield found


def run(env, *words):
    return otp_fallback(env, *words)


@pytest.fixture
def cli(stack):
    return lambda *words: run(stack.env, *words)


def test_a_web_server_without_a_worker_needs_a_server_to_share(stack):
    env = {name: value for name, value in stack.env.items() if name != "REDIS_URL"}
    done = run(env, "web")
    assert (done.returncode, done.stderr) == (
        2,
        "otp-fallback: REDIS_URL: set it to the server that is shared with the workers\n",
    )


def test_a_first_key_is_made_only_by_who_may(stack):
    """Of several hosts of production none prints a key of all scopes into its log."""
    env = {name: value for name, value in stack.env.items() if name != "OTP_BOOTSTRAP_API_KEY"}
    env["REDIS_URL"] += "?db=5"

    def made(*words):
        command = [sys.executable, "-m", "service.runtime.bootstrap", *words]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["api_key"]

    assert made("--given") is None
    assert made() is not None
    assert made() is None


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(cli, command):
    done = cli(*command.split(), "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout
    assert "\x1b[" not in done.stdout
    assert done.stderr == ""


def test_an_unknown_command_or_option(cli):
    for words in (["nonsense"], ["mode", "--nonsense"], ["keys", "create"]):
        done = cli(*words)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stdout == ""


def test_keys(stack, cli):
    made = json.loads(
        cli("keys", "create", "--name", "shop", "--scope", "challenges", "--scope", "ops", "--json").stdout
    )
    assert made["scopes"] == ["challenges", "ops"]
    assert Api(stack.url, made["key"])("GET", "/v1/ops/mode").status_code == 200  # at once
    listed = cli("keys", "list", "--json")
    assert made["key"] not in listed.stdout
    assert made["id"] in {key["id"] for key in json.loads(listed.stdout)}
    plain = cli("keys", "list")
    assert made["id"] in plain.stdout
    assert "\x1b[" not in plain.stdout
    words = cli("keys", "create", "--name", "in-words", "--scope", "ops").stdout.splitlines()
    assert Api(stack.url, words[0])("GET", "/v1/ops/mode").status_code == 200
    assert json.loads(cli("keys", "revoke", made["id"], "--json").stdout) == {
        "id": made["id"],
        "revoked": True,
    }
    again = cli("keys", "revoke", made["id"])
    assert (again.returncode, again.stderr.count("\n")) == (1, 1)


@pytest.mark.parametrize(
    "words",
    [
        ["keys", "create", "--name", "x", "--scope", "everything"],
        ["keys", "create", "--name", "", "--scope", "ops"],
        ["keys", "create", "--name", "x", "--scope", "ops", "--application", "a b"],
        ["mode", "off", "--reason", "x"],
        ["mode", "fallback"],
        ["mode", "fallback", "--reason", " "],
        ["mode", "fallback", "--reason", "x", "--country", "91"],
        ["mode", "fallback", "--reason", "x", "--for", "soon"],
        ["mode", "fallback", "--reason", "x", "--for", "0h"],
    ],
)
def test_mistakes_are_one_line_and_change_nothing(stack, cli, words):
    before = stack.everything_stored()
    done = cli(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("otp-fallback: ")
    assert done.stderr.count("\n") == 1
    assert stack.everything_stored() == before


def test_mode(stack, cli):
    assert json.loads(cli("mode", "--json").stdout)["mode"] == "auto"
    done = cli("mode", "fallback", "--reason", "carrier trouble", "--country", "+91", "--for", "2h", "--json")
    setting = json.loads(done.stdout)
    assert (setting["mode"], setting["country"], setting["reason"]) == ("fallback", "+91", "carrier trouble")
    assert setting["set_by"].startswith("cli:")
    assert setting["expires_at"] is not None
    assert stack.api.start("u", phone="+919876543210", email="u@m.example")["channel"] == "email"
    assert stack.api.start("u", phone="+14155550123", email="u@m.example")["channel"] == "sms"
    shown = cli("mode").stdout
    assert "country +91" in shown
    assert "carrier trouble" in shown
    assert cli("mode", "auto", "--reason", "over", "--country", "+91").stdout.startswith(
        "Mode auto for country +91"
    )


def test_no_redis_is_one_line(stack, tmp_path):
    for words in (["keys", "list"], ["mode"], ["mode", "fallback", "--reason", "x"]):
        done = run({**stack.env, "REDIS_URL": f"unix://{tmp_path}/nothing"}, *words)
        assert done.returncode in (1, 2)
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr


def test_another_master_key_is_one_line(stack):
    import base64

    other = "k1:" + base64.b64encode(b"x" * 32).decode()
    done = run({**stack.env, "OTP_MASTER_KEYS": other}, "keys", "list")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1


def test_openapi_needs_nothing_set():
    done = run({"PATH": "/usr/bin"}, "openapi")
    assert done.stdout == (ROOT / "openapi.yaml").read_text()


def test_version(cli):
    import service

    assert cli("--version").stdout.strip() == service.__version__


def test_the_demo_gets_everybody_in(tmp_path):
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "OTP_DATA_DIR": str(tmp_path / "var")}
    done = run(env, "demo", "--json")
    assert done.returncode == 0, done.stderr
    report = [json.loads(line) for line in done.stdout.splitlines()]
    assert "\x1b[" not in done.stdout
    text = json.dumps(report)
    for channel in ("sms", "totp", "email", "backup_code"):
        assert channel in text
