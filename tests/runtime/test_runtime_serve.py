"""`serve` from start to end: what it prints, that it works, that it ends in order."""

import base64
import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests
from serve_process import environment, free_port, heed_hangup, lives, wait_until

CONTACTS = {"user_id": "alice", "phone": "+14155550123", "email": "alice@example.com"}


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def test_runs_everything_and_ends_in_order(serve, tmp_path):
    server = serve()
    began = time.monotonic()
    told = server.ready()
    print("ready after", time.monotonic() - began)
    assert set(told) == {"url", "api_key", "sandbox_url", "pid"}
    assert told["pid"] == server.process.pid

    answer = requests.post(
        f"{server.url}/v1/challenges", json=CONTACTS, headers=bearer(told["api_key"]), timeout=10
    )
    assert answer.status_code == 201
    assert answer.json()["channels"][0]["state"] == "sent"  # through the sandbox
    assert requests.get(f"{told['sandbox_url']}/", timeout=5).status_code == 200

    children = server.tree()
    assert len(server.find("gunicorn")) == 2
    assert server.stop() == 0
    assert not any(lives(process) for process in children)
    log = (tmp_path / "var/logs/valkey.log").read_text()
    assert "Calling fsync() on the AOF file" in log
    assert "ready to exit" in log
    assert not (tmp_path / "var/run.json").exists()


def test_a_second_start_keeps_keys_account_and_data(serve):
    server = serve()
    key = server.ready()["api_key"]
    ended = requests.post(f"{server.url}/v1/challenges", json=CONTACTS, headers=bearer(key), timeout=10)
    server.stop()

    server = serve()
    told = server.ready()
    assert told["api_key"] is None
    again = requests.get(f"{server.url}/v1/challenges/{ended.json()['id']}", headers=bearer(key), timeout=10)
    assert again.json()["status"] == "pending"


def test_nothing_is_readable_by_others_and_no_secret_is_in_a_command_line(serve, tmp_path):
    server = serve()
    key = server.ready()["api_key"]
    data = tmp_path / "var"
    assert data.stat().st_mode & 0o777 == 0o700
    for path in data.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    secrets = [key, json.loads((data / "sandbox.json").read_text())["auth_token"]]
    secrets.append((data / "master.keys").read_text().strip().split(":")[1])
    for process in server.tree():
        assert not any(secret in " ".join(process.cmdline()) for secret in secrets)
    assert not any(secret in server.stderr for secret in secrets)


def test_no_process_leaves_its_memory_in_a_file(serve):
    server = serve()
    server.ready()
    tree = server.tree()
    assert len(tree) > 5
    for process in tree:
        assert process.rlimit(psutil.RLIMIT_CORE) in ((0, 0), (1, 1)), process.cmdline()


def test_master_keys_are_given_to_those_alone_who_need_them(serve):
    key = "k1:" + base64.b64encode(b"m" * 32).decode()
    given = {"OTP_MASTER_KEYS": key, "OTP_BOOTSTRAP_API_KEY": "a-key-of-all-scopes-0123456789"}
    server = serve(**given)
    server.ready()
    told = {
        " ".join(process.cmdline()): set(given) & set(process.environ())
        for process in server.tree()
        if process.pid != server.process.pid
    }
    for command, names in told.items():
        needs = "service.runtime.web" in command or "service.worker" in command
        assert names == (set(given) if needs else set()), command
    assert any("service.sandbox" in command for command in told)
    assert any("valkey" in command for command in told)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_the_printed_call_works_as_printed(serve, host):
    server = serve(as_json=False, OTP_HOST=host)
    lines = []
    while not lines or not lines[-1].startswith("curl "):
        lines.append(server.line().rstrip("\n"))
    text = "\n".join(lines)
    assert "\x1b" not in text
    assert "shown this once" in text
    done = subprocess.run(["sh", "-c", lines[-1]], capture_output=True, text=True, timeout=20, check=True)
    assert json.loads(done.stdout)["status"] == "pending"


def test_without_a_fresh_key_the_call_uses_a_variable(serve):
    key = "otpk_" + "k" * 43
    server = serve(as_json=False, OTP_BOOTSTRAP_API_KEY=key)
    lines = []
    while not lines or not lines[-1].startswith("curl "):
        lines.append(server.line().rstrip("\n"))
    assert key not in "\n".join(lines)
    assert "OTP_BOOTSTRAP_API_KEY" in "\n".join(lines)
    done = subprocess.run(
        ["sh", "-c", lines[-1]],
        env={**os.environ, "OTP_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert json.loads(done.stdout)["status"] == "pending"


def test_colours_on_a_terminal_and_the_call_still_one_line(tmp_path):
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "serve"],
        env=environment(tmp_path / "var", TERM="xterm", COLUMNS="60"),
        stdin=follower,
        stdout=follower,
        stderr=subprocess.DEVNULL,
    )
    os.close(follower)
    shown = ""
    try:
        while "alice@example.com" not in shown:
            shown += os.read(leader, 4096).decode()
    finally:
        process.terminate()
        assert process.wait(20) == 0
    assert "\x1b[" in shown
    call = re.sub(r"\x1b\[[0-9;]*m", "", shown[shown.index("curl ") :]).splitlines()[0]
    assert shlex.split(call)[-2] == "-d"


def test_closing_the_terminal_ends_it(tmp_path):
    pid, leader = pty.fork()
    if pid == 0:
        heed_hangup()
        command = [sys.executable, "-m", "service.cli.main", "serve"]
        os.execve(sys.executable, command, environment(tmp_path / "var", TERM="xterm"))
    shown = ""
    while "alice@example.com" not in shown:
        shown += os.read(leader, 4096).decode()
    children = psutil.Process(pid).children(recursive=True)
    os.close(leader)
    ended, status = 0, -1
    deadline = time.monotonic() + 20
    while not ended and time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        time.sleep(0.05)
    assert os.waitstatus_to_exitcode(status) == 0
    wait_until(lambda: not any(map(lives, children)), 10, "the end of all that it started")


def test_ctrl_c_reaches_only_serve_and_ends_it_in_order(serve):
    server = serve()
    server.ready()
    assert all(os.getpgid(p.pid) != os.getpgid(server.process.pid) for p in server.tree())
    assert server.stop(signal.SIGINT) == 0
    assert "KeyboardInterrupt" not in server.stderr
    assert "Traceback" not in server.stderr


def test_a_second_ctrl_c_ends_at_once(serve):
    server = serve()
    key = server.ready()["api_key"]
    children = server.tree()
    held = hold_a_request(server, key)
    server.process.send_signal(signal.SIGINT)
    wait_until(lambda: not connects(server), what="the socket's end")
    began = time.monotonic()
    server.stop(signal.SIGINT)
    assert time.monotonic() - began < 7.9  # requests under way would have 8 s
    assert not any(lives(process) for process in children)
    held.close()


def test_a_request_under_way_is_finished(serve):
    server = serve()
    key = server.ready()["api_key"]
    held = hold_a_request(server, key, seconds=3)
    server.process.terminate()
    assert b"200 OK" in held.recv(65536)
    assert server.ended() == 0


def test_open_streams_do_not_delay_the_end(serve):
    server = serve()
    key = server.ready()["api_key"]
    streams = [
        requests.get(f"{server.url}/v1/ops/events", headers=bearer(key), stream=True, timeout=30)
        for _ in range(4)
    ]
    assert all(b"retry" in next(stream.iter_content(16)) for stream in streams)
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 7.9  # requests under way would have 8 s
    for stream in streams:
        stream.close()


def test_idle_connections_do_not_delay_the_end(serve):
    server = serve()
    server.ready()
    idle = [socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) for _ in range(5)]
    session = requests.Session()
    assert session.get(f"{server.url}/healthz", timeout=5).status_code == 200
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 7.9  # requests under way would have 8 s
    for connection in idle:
        connection.close()


def test_sigterm_while_starting_leaves_nothing(serve):
    server = serve()
    wait_until(server.tree, what="a first child")
    children = server.tree()
    assert server.stop() == 0
    assert not any(lives(process) for process in children)


def hold_a_request(server, key, seconds=20):
    """A long poll that a worker is waiting in."""
    made = requests.post(f"{server.url}/v1/challenges", json=CONTACTS, headers=bearer(key), timeout=10).json()
    held = socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=30)
    held.sendall(
        f"GET /v1/challenges/{made['id']}?wait={seconds} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {key}\r\n\r\n".encode()
    )
    held.settimeout(0.5)
    with pytest.raises(TimeoutError):
        held.recv(1)  # it is being waited for
    held.settimeout(30)
    return held


def connects(server):
    try:
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=1).close()
    except OSError:
        return False
    return True


def test_the_sandbox_takes_the_next_port_if_it_is_free(serve):
    port = free_port()
    server = serve(OTP_PORT=str(port))
    told = server.ready()
    assert told["url"] == f"http://127.0.0.1:{port}"
    assert psutil.Process(server.process.pid).status() != psutil.STATUS_ZOMBIE
    if told["sandbox_url"] != f"http://127.0.0.1:{port + 1}":
        pytest.skip("the next port was taken")


def test_commands_find_the_running_server(serve, tmp_path):
    server = serve()
    server.ready()
    made = subprocess.run(
        [
            sys.executable,
            "-m",
            "service.cli.main",
            "keys",
            "create",
            "--name",
            "t",
            "--scope",
            "challenges",
            "--json",
        ],
        env=server.env,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    key = json.loads(made.stdout)["key"]
    answer = requests.post(f"{server.url}/v1/challenges", json=CONTACTS, headers=bearer(key), timeout=10)
    assert answer.status_code == 201


def test_a_folder_with_a_service_package_of_its_own_is_no_trap(serve, tmp_path, monkeypatch):
    (tmp_path / "service").mkdir()
    Path(tmp_path / "service/__init__.py").write_text("raise SystemExit('the wrong one')")
    script = Path(sys.executable).with_name("otp-fallback")
    process = subprocess.Popen(
        [script, "serve", "--json"], cwd=tmp_path, env=environment(Path("var")), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["api_key"]
        assert (tmp_path / "var/run.json").exists()
    finally:
        process.terminate()
        process.wait(20)


def test_doctor_finds_what_serve_runs(serve):
    running = serve()
    running.ready()
    command = [sys.executable, "-m", "service.cli", "doctor", "--json"]

    def look():
        done = subprocess.run(
            command, env=running.env, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, {check["name"]: check for check in json.loads(done.stdout)["checks"]}

    wait_until(lambda: look()[1]["worker"]["level"] == "ok")
    code, found = look()
    well = ("redis", "redis.persistence", "keyring", "web", "worker", "outbox", "twilio", "smtp", "key_files")
    assert (code, {found[name]["level"] for name in well}) == (0, {"ok"})
    running.stop()
    code, found = look()
    assert code == 1
    assert "does not run" in found["redis"]["found"]
