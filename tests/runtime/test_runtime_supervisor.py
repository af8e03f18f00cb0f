"""The supervisor with stand-ins for its children."""

import logging
import os
import subprocess
import sys
import time

import psutil
import pytest
from serve_process import lives, wait_until

from service.runtime import metrics_folder
from service.runtime.children import how_it_ended
from service.runtime.gunicorn_log import _OneLine
from service.runtime.parent_death import guard_command

HEAD = """
import os, sys, time
from service.runtime.children import Program
from service.runtime.errors import StartError
from service.runtime.supervisor import Supervisor
from service.telemetry import logs
logs.configure()
def python(name, code, **more):
    return Program(name=name, argv=(sys.executable, "-S", "-c", code), env=os.environ, **more)
"""


def run(code, **more):
    return subprocess.run(
        [sys.executable, "-c", HEAD + code], capture_output=True, text=True, timeout=30, check=False, **more
    )


def test_a_child_that_never_starts_ends_it_with_words():
    done = run("""
try:
    with Supervisor() as supervisor:
        supervisor.start(python("broken", "raise SystemExit(3)", log="its log"))
        supervisor.run()
except StartError as error:
    print(error.exit_code, error)
""")
    assert done.stdout == (
        "1 broken ended 5 times in a row within seconds of its start (exit status 3): see its log\n"
    )
    assert done.stderr.count("process_ended") == 4


def test_what_does_not_appear_in_time_is_told():
    done = run("""
try:
    with Supervisor() as supervisor:
        supervisor.wait_for(lambda: None, within=0.1, otherwise="it did not come")
except StartError as error:
    print(error)
""")
    assert done.stdout == "it did not come\n"


def test_one_that_ignores_sigterm_is_killed():
    began = time.monotonic()
    done = run("""
with Supervisor() as supervisor:
    heard = []
    child = supervisor.start(python("deaf", '''
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)''', grace=0.5, says=heard.append))
    supervisor.wait_for(lambda: heard or None, within=10, otherwise="")
    print(child.pid)
""")
    assert time.monotonic() - began < 5
    assert not psutil.pid_exists(int(done.stdout))


def test_children_end_in_the_reverse_order_of_their_start():
    done = run("""
code = '''
import signal, sys
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
print("bye", sys.argv, flush=True)'''.replace("import signal, sys", "import signal, sys\\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])")
heard = []
with Supervisor() as supervisor:
    for name in "abc":
        supervisor.start(python(name, code, says=lambda line, name=name: heard.append(name)))
    supervisor.wait_for(lambda: len(heard) == 3 or None, within=10, otherwise="")
    heard.clear()
print(heard)
""")
    assert done.stdout == "['c', 'b', 'a']\n", done.stderr


def test_output_is_passed_on_line_by_line_and_to_its_end():
    done = run("""
heard = []
with Supervisor() as supervisor:
    child = supervisor.start(python("talker", '''
import sys
sys.stdout.write("x" * 200000 + "\\\\nlast\\\\n")''', once=True, says=heard.append))
    supervisor.wait_for(lambda: child.exit_status is not None or None, within=10, otherwise="")
print(child.exit_status, [len(line) for line in heard])
""")
    assert done.stdout == "0 [200000, 4]\n", done.stderr


@pytest.mark.parametrize("gentle", [True, False])
def test_children_end_with_a_killed_supervisor(gentle, tmp_path):
    witness = tmp_path / "sigterm"
    process = subprocess.Popen(
        [sys.executable, "-c", HEAD + f"""
with Supervisor() as supervisor:
    supervisor.start(python("child", '''
import os, pathlib, signal, time
def end(*_):
    pathlib.Path("{witness}").touch()
    raise SystemExit
signal.signal(signal.SIGTERM, end)
print(os.getpid(), flush=True)
time.sleep(60)''', gentle={gentle}, says=lambda line: print(line, flush=True)))
    supervisor.run()
"""],
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stdout is not None
    child = psutil.Process(int(process.stdout.readline()))
    process.kill()
    process.wait()
    wait_until(lambda: not lives(child), 5, "the child's end")
    assert witness.exists() is gentle


def test_a_guard_ends_its_program_when_the_lifeline_closes_and_kills_a_deaf_one():
    reading, writing = os.pipe()
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    guard = subprocess.Popen(
        guard_command(reading, 0.3, (sys.executable, "-S", "-c", code)),
        pass_fds=[reading],
        stdout=subprocess.PIPE,
    )
    assert guard.stdout is not None
    assert guard.stdout.readline() == b"up\n"
    os.close(writing)
    assert guard.wait(5) == 128 + 9
    os.close(reading)


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(7)", 7), ("import os; os.abort()", 134)])
def test_a_guard_ends_as_its_program_did(code, status):
    reading, writing = os.pipe()
    argv = guard_command(reading, 1, (sys.executable, "-S", "-c", code))
    assert (
        subprocess.run(argv, pass_fds=[reading], stderr=subprocess.DEVNULL, check=False).returncode == status
    )
    os.close(reading)
    os.close(writing)


def test_a_guard_says_when_there_is_no_program():
    reading, writing = os.pipe()
    done = subprocess.run(
        guard_command(reading, 1, ("/no/such",)), pass_fds=[reading], capture_output=True, check=False
    )
    assert done.returncode == 127
    assert b"/no/such: No such file" in done.stderr
    os.close(reading)
    os.close(writing)


def test_endings_in_words():
    assert how_it_ended(3) == "exit status 3"
    assert how_it_ended(-9) == "signal SIGKILL"


def test_live_gauges_of_the_dead_are_dropped(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = {f"gauge_livesum_{dead.pid}.db": False, f"gauge_livesum_{os.getpid()}.db": True,
             f"counter_{dead.pid}.db": True, f"gauge_max_{dead.pid}.db": True}  # fmt: skip
    for name in names:
        (tmp_path / name).touch()
    metrics_folder.forget_dead(tmp_path)
    assert {name: (tmp_path / name).exists() for name in names} == names


def test_gunicorn_logs_nothing_that_a_client_sent():
    def line(message, *args, error=None):
        info = (type(error), error, error.__traceback__) if error else None
        return _OneLine().format(logging.LogRecord("g", logging.ERROR, "f", 1, message, args, info))

    assert "alice" not in line("Error handling request %s %s", "GET", "/v1/users/alice/factors")
    assert "alice" not in line("Invalid request from ip=::1: Invalid HTTP request line: 'alice'")
    assert "alice" not in line("Error handling request %s", "/", error=ValueError("alice"))
    assert "ValueError" in line("Error handling request %s", "/", error=ValueError("alice"))
    assert '"event": "Worker (pid:7) was sent SIGKILL! Perhaps out of memory?"' in line(
        "Worker (pid:%s) was sent %s! Perhaps out of memory?", 7, "SIGKILL"
    )
