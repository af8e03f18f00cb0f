"""Whatever is killed: nothing outlives `serve`, nothing is lost, and what can be restarted is."""

import signal
import socket
import subprocess
import sys
import time

import psutil
import requests
from serve_process import lives, wait_until

from service.runtime.valkey_socket import socket_path

CONTACTS = {"user_id": "alice", "phone": "+14155550123", "email": "alice@example.com"}


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def start_challenge(server, key):
    answer = requests.post(f"{server.url}/v1/challenges", json=CONTACTS, headers=bearer(key), timeout=10)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def status_of(server, key, challenge):
    answer = requests.get(f"{server.url}/v1/challenges/{challenge}", headers=bearer(key), timeout=10)
    return answer.json().get("status")


def test_kill_9_of_serve_leaves_nothing_and_a_start_recovers(serve):
    server = serve()
    key = server.ready()["api_key"]
    challenge = start_challenge(server, key)
    children = server.tree()
    assert len(children) >= 6  # guard, valkey, sandbox, worker, gunicorn and its one
    server.process.kill()
    again = serve()  # at once: what is still ending is waited for
    wait_until(lambda: not any(map(lives, children)), 5, "the end of all processes")
    again.ready()
    assert status_of(again, key, challenge) == "pending"


def test_kill_9_of_serve_while_starting_leaves_nothing(serve):
    for pause in (0.0, 0.2, 0.5, 0.9):
        server = serve()
        wait_until(server.tree, what="a first child")
        time.sleep(pause)
        children = server.tree()
        server.process.kill()
        wait_until(lambda: not any(map(lives, children)), 5, "the end of all processes")  # noqa: B023
        server.process.wait()


def test_kill_9_of_valkey_restarts_it_with_its_data(serve):
    server = serve()
    key = server.ready()["api_key"]
    challenge = start_challenge(server, key)
    old = server.valkey()
    old.kill()
    wait_until(lambda: server.find("valkey-server", "unixsocket") and server.valkey() != old)
    wait_until(lambda: status_of(server, key, challenge) == "pending", what="the challenge")
    assert '"process": "valkey"' in server.stderr
    assert server.stop() == 0


def test_kill_9_of_the_guard_takes_valkey_with_it_and_both_come_back(serve):
    server = serve()
    server.ready()
    old = server.valkey()
    [guard] = server.find("parent_death.py")
    guard.kill()
    wait_until(lambda: not lives(old), 3, "the end of the old Valkey")
    wait_until(lambda: server.find("valkey-server", "unixsocket"))
    wait_until(server.answers)


def test_kill_9_of_gunicorn_takes_its_workers_and_refuses_no_connection(serve):
    server = serve()
    server.ready()
    master, *workers = sorted(server.find("gunicorn_conf"), key=lambda p: p.pid)
    master.kill()
    wait_until(lambda: not any(map(lives, workers)), 10, "the end of the old workers")
    # Nobody serves now, yet a call is taken in, and answered by the next.
    assert requests.get(f"{server.url}/healthz", timeout=60).status_code == 200


def test_every_other_process_is_restarted_on_the_same_ports(serve):
    server = serve()
    told = server.ready()
    for name in ("service.worker", "service.sandbox"):
        [old] = server.find(name)
        old.kill()
        wait_until(lambda: [p for p in server.find(name) if p != old], what=name)  # noqa: B023
    wait_until(lambda: requests_ok(told["sandbox_url"]), what="the sandbox")
    assert server.stop() == 0


def requests_ok(url):
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def test_a_stopped_valkey_is_ended_too(serve, tmp_path):
    """SIGTERM alone would wait for ever: the guard has the last word."""
    server = serve()
    server.ready()
    valkey = server.valkey()
    valkey.suspend()
    server.process.kill()
    wait_until(lambda: not lives(valkey), 6, "the end of a Valkey that does not react")


def test_an_orphaned_valkey_is_ended_by_the_next_start(serve, tmp_path):
    """Both are gone that could have ended it, as after a kill of all Pythons where no kernel helps."""
    from service.runtime import valkey
    from service.runtime.folder import DataFolder

    folder = DataFolder(tmp_path / "var")
    folder.create()
    program = valkey.program(folder)
    with program.holding() as descriptors:
        orphan = subprocess.Popen(program.argv, pass_fds=descriptors)
    try:
        wait_until((folder.valkey / "valkey.pid").exists)
        server = serve()
        server.ready()
        assert orphan.wait(1) == -signal.SIGKILL
    finally:
        orphan.kill()
        orphan.wait()


def test_a_truncated_append_only_file_is_loaded(serve, tmp_path):
    server = serve()
    key = server.ready()["api_key"]
    challenge = start_challenge(server, key)
    server.process.kill()
    server.process.wait()
    [log] = (tmp_path / "var/valkey/appendonlydir").glob("*.incr.aof")
    wait_until(lambda: not [p for p in psutil.process_iter(["name"]) if str(tmp_path) in cmdline(p)])
    with log.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100\r\nhalf")
    server = serve()
    server.ready()
    assert status_of(server, key, challenge) == "pending"


def cmdline(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_a_damaged_append_only_file_is_one_clear_line(serve, tmp_path):
    server = serve()
    server.ready()
    server.stop()
    [log] = (tmp_path / "var/valkey/appendonlydir").glob("*.incr.aof")
    log.write_bytes(b"garbage\r\n" * 20 + log.read_bytes())
    server = serve()
    assert server.line() == ""
    assert server.ended() == 1
    assert "valkey ended 5 times in a row" in server.stderr
    assert "var/logs/valkey.log" in server.stderr
    assert "Traceback" not in server.stderr


def test_a_long_data_folder_path(serve, tmp_path):
    data = tmp_path / ("d" * 100) / "with space" / "var"
    server = serve(data=data)
    key = server.ready()["api_key"]
    challenge = start_challenge(server, key)
    server.process.kill()
    server = serve(data=data)
    server.ready()
    assert status_of(server, key, challenge) == "pending"
    short = socket_path(data).parent
    assert server.find(f"unixsocket:{short}")
    assert short.stat().st_mode & 0o777 == 0o700
    assert server.stop() == 0
    assert not short.exists()


def test_no_zombies_and_no_descriptors_left_over(serve):
    server = serve()
    server.ready()
    [old] = server.find("service.worker")
    old.kill()
    wait_until(lambda: [p for p in server.find("service.worker") if p != old])
    assert not [p for p in server.tree() if p.status() == psutil.STATUS_ZOMBIE]
    lock = f"{server.env['OTP_DATA_DIR']}/serve.lock"
    port = int(server.url.rpartition(":")[2])
    for process in server.tree():
        assert lock not in [file.path for file in process.open_files()]
        if "gunicorn_conf" not in cmdline(process):
            listening = [c for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
            assert port not in [c.laddr.port for c in listening], process


def test_as_process_1_of_a_container_grandchildren_are_reaped():
    """Done with a subreaper, which gets orphans as process 1 does."""
    code = """
import ctypes, os, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
from service.runtime.children import Program
from service.runtime.supervisor import Supervisor, StopRequested
with Supervisor() as supervisor:
    supervisor.start(Program(name="p", argv=("/bin/sh", "-c", "(sleep 0.2 & echo $!); exec sleep 60"),
                             env=os.environ, says=print))
    end = time.monotonic() + 1
    supervisor.wait_for(lambda: True if time.monotonic() > end else None, within=5, otherwise="")
    print(subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "stat="], capture_output=True,
                         text=True).stdout)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert "Z" not in done.stdout


def test_bind_port_is_let_go_with_the_parent(serve):
    server = serve()
    server.ready()
    port = int(server.url.rpartition(":")[2])
    server.process.kill()

    def bindable():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return probe.connect_ex(("127.0.0.1", port)) != 0

    wait_until(bindable, 3, "the port")
