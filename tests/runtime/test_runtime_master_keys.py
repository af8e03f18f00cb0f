"""Master keys by each of the three ways, to every process that needs them; and what is said when they don't come."""

import base64
import json
import os
import shlex
import sys
import time

import psutil
import pytest
import requests
from serve_process import environment, wait_until

from service.master_keys import given_master_keys
from service.private_file import forbidden
from service.settings import Settings, SettingsError
from tests.support.commands import otp_fallback
from tests.support.stack import Process, Stack, running

SECRET = base64.b64encode(b"s" * 32).decode()
KEYS = f"k7:{SECRET}"
OLDER = "k6:" + base64.b64encode(b"o" * 32).decode()


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "given.keys"
    path.write_text(f"{KEYS}\n{OLDER}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(params=["OTP_MASTER_KEYS", "OTP_MASTER_KEYS_FILE", "OTP_MASTER_KEYS_COMMAND"])
def given(request, key_file):
    """A setting, in each of the three ways."""
    by_command = f"cat {shlex.quote(str(key_file))}"
    values = {"OTP_MASTER_KEYS": f"{KEYS},{OLDER}", "OTP_MASTER_KEYS_FILE": str(key_file)}
    return {request.param: values.get(request.param, by_command)}


def command(env, *words, code=0):
    done = otp_fallback(env, *words)
    assert done.returncode == code, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stderr


def test_serve_its_children_and_commands(serve, given, tmp_path):
    server = serve(**given)
    ready = server.ready()
    assert not (tmp_path / "var/master.keys").exists()
    # Every process seals with the key and opens what others sealed; a worker that died is replaced.
    headers = {"Authorization": f"Bearer {ready['api_key']}"}
    begun = requests.post(f"{server.url}/v1/enrollments", json={"user_id": "ada"}, headers=headers, timeout=5)
    assert begun.status_code == 201
    for process in server.find("service.worker"):
        process.kill()
    wait_until(lambda: "process_restarted" in server.stderr)
    assert command(server.env, "keys", "list", "--json")[0]["name"] == "first"
    assert command(server.env, "rotate-keys", "--json")["key"] == "k7"
    source = next(c for c in command_json(server.env, "doctor") if c["name"] == "master_keys")
    assert (source["level"], source["found"]) == ("ok", f"2 from {next(iter(given))}; k7 seals")
    lines = [line for process in server.tree() for line in process_words(process)]
    assert not any(SECRET in line for line in lines)
    assert server.stop() == 0
    assert SECRET not in server.stderr


def command_json(env, *words):
    done = otp_fallback(env, *words, "--json")
    return json.loads(done.stdout)["checks"]


def process_words(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_web_and_worker_without_serve(given):
    with_keys = {"OTP_MASTER_KEYS": "", **given}
    with running(worker_process=True, **with_keys) as stack:
        stack.api.enroll("ada")
        done = otp_fallback(stack.env, "keys", "list", "--json", check=True)
        assert [key["name"] for key in json.loads(done.stdout)] == ["bootstrap"]
        wait_until(lambda: "worker_started" in stack.worker.text())
        by_command = Process(
            "by-command", [sys.executable, "-m", "service.cli", "worker"], stack.env, stack.folder
        )
        by_command.start()
        wait_until(lambda: "worker_started" in by_command.text())
        by_command.kill()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read(serve, key_file, mode):
    key_file.chmod(mode)
    server = serve(OTP_MASTER_KEYS_FILE=str(key_file))
    assert server.ended() == 2
    assert (
        f"OTP_MASTER_KEYS_FILE: {key_file} may be read by others (mode {mode:o}): chmod 600" in server.stderr
    )
    env = environment(key_file.parent, OTP_MASTER_KEYS_FILE=str(key_file), REDIS_URL="redis://127.0.0.1:1")
    assert "may be read by others" in command(env, "keys", "list", code=2)


def test_what_root_hands_to_a_group_is_private():
    assert forbidden(0, 1000) & 0o440 == 0
    assert forbidden(0, 1000) & 0o444
    assert forbidden(0, 1000) & 0o460
    for owner, reader in ((1000, 1000), (0, 0), (1001, 1000)):
        assert forbidden(owner, reader) & 0o440
        assert not forbidden(owner, reader) & 0o600


@pytest.fixture
def given_by(monkeypatch):
    """What the settings of an environment give."""
    for name in list(os.environ):
        if name.startswith("OTP_"):
            monkeypatch.delenv(name)

    def read(within=10.0, **env):
        for name, value in env.items():
            monkeypatch.setenv(name, str(value))
        return given_master_keys(Settings.load(), within=within)

    return read


def test_what_is_given(given_by, key_file):
    assert given_by() is None
    assert given_by(OTP_MASTER_KEYS_FILE=key_file) == f"{KEYS}\n{OLDER}"


def test_files_that_give_none(given_by, key_file, tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        given_by(OTP_MASTER_KEYS_FILE=tmp_path / "none")
    with pytest.raises(SettingsError, match="can't be read"):
        given_by(OTP_MASTER_KEYS_FILE=tmp_path)
    key_file.write_text(SECRET)
    with pytest.raises(SettingsError, match="expected kid:base64") as caught:
        given_by(OTP_MASTER_KEYS_FILE=key_file)
    assert SECRET not in str(caught.value)


def python(code):
    return f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/no/such/program --get", "can't be run: No such file or directory"),
        (python(f"import sys; print('{SECRET}', file=sys.stderr); print('{KEYS}'); sys.exit(3)"), "exit status 3"),
        (python("import os; os.kill(os.getpid(), 9)"), "exit status -9"),
        (python("pass"), "not kid:base64"),
        (python(f"print('{SECRET}')"), "not kid:base64"),
        (python("print('hunter2:k1')"), "not kid:base64"),
        (python(f"print('{KEYS},{KEYS}')"), "not kid:base64"),
        (python("import sys; sys.stdout.buffer.write(bytes(range(256)))"), "not kid:base64"),
        # No shell: what one would make of it does not happen.
        (f"echo '{KEYS}' && exit 1", "not kid:base64"),
    ],
)  # fmt: skip
def test_commands_that_give_none(given_by, line, said):
    with pytest.raises(SettingsError, match="OTP_MASTER_KEYS_COMMAND: ") as caught:
        given_by(OTP_MASTER_KEYS_COMMAND=line)
    assert said in str(caught.value)
    for secret in (SECRET, "hunter2", "k7"):
        assert secret not in str(caught.value)


def test_a_command_that_hangs_is_ended_with_all_that_it_began(given_by, tmp_path):
    note = tmp_path / "pid"
    line = python(
        f"import pathlib, subprocess, time; p = subprocess.Popen(['sleep', '60']);"
        f" pathlib.Path({str(note)!r}).write_text(str(p.pid)); time.sleep(60)"
    )
    began = time.monotonic()
    with pytest.raises(SettingsError, match="did not end within 2 s"):
        given_by(within=2, OTP_MASTER_KEYS_COMMAND=line)
    assert time.monotonic() - began < 10
    wait_until(
        lambda: (
            not psutil.pid_exists(int(note.read_text()))
            or psutil.Process(int(note.read_text())).status() == "zombie"
        )
    )


def test_a_start_by_a_command_that_fails(serve):
    server = serve(OTP_MASTER_KEYS_COMMAND="false")
    assert server.ended() == 2
    assert (
        server.stderr
        == "otp-fallback: OTP_MASTER_KEYS_COMMAND: ended with exit status 1: run it by hand to see why\n"
    )


def test_doctor_tells_why_they_do_not_come():
    stack = Stack()
    try:
        stack.start_valkey()
        env = {**stack.env, "OTP_MASTER_KEYS": "", "OTP_MASTER_KEYS_COMMAND": "sleep 30"}
        found = {check["name"]: check for check in command_json(env, "doctor")}
    finally:
        stack.stop()
    assert found["master_keys"]["level"] == "fail"
    assert "did not end within 4 s" in found["master_keys"]["found"]
    assert found["keyring"]["level"] == "skip"
    assert found["redis"]["level"] == "ok"
