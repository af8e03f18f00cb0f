"""A start says in one line what the Redis server can't promise; `doctor` judges by the same."""

import json
import signal

import pytest

from tests.support.servers import Servers
from tests.support.stack import Process, Stack, wait_until
from tests.support.tools import independent

KEPT = ("--appendonly", "yes", "--save", "")
WEAK = {
    "nothing": (("--appendonly", "no", "--save", ""), "it keeps nothing on disk"),
    "snapshots": (("--appendonly", "no", "--save", "3600 1"), "it keeps no append-only file"),
}


@pytest.fixture
def servers():
    found = Servers()
    yield found
    found.stop()


def doubts(text):
    """What was said of it, by whoever."""
    return [json.loads(line) for line in text.splitlines() if '"durability_in_doubt"' in line]


def url(port):
    return f"redis://127.0.0.1:{port}"


@pytest.mark.parametrize("case", WEAK)
def test_serve_says_it_once(serve, servers, case):
    options, said = WEAK[case]
    server = serve(REDIS_URL=url(servers.begin(*options)))
    server.ready()
    wait_until(lambda: "worker_started" in server.stderr)
    assert server.stop() == 0
    (told,) = doubts(server.stderr)  # not again by each of its processes
    assert (told["level"], said in told["reason"]) == ("warning", True)
    assert told["reason"].startswith("OTP_DURABILITY=strict can't be kept by this Redis: ")
    assert "mend: CONFIG SET append" in told["reason"]


def test_a_server_that_never_says_it_is_told_before_the_start_fails(serve, servers):
    server = serve(REDIS_URL=url(servers.begin(*KEPT, "--appendfsync", "no")))
    assert server.ended() == 1
    assert "appendfsync no" in doubts(server.stderr)[0]["reason"]
    assert "what must be kept is refused" in doubts(server.stderr)[0]["reason"]


def test_a_server_that_does_not_say_when_a_write_is_on_disk(serve, servers):
    servers.binary = independent("redis-server")  # 7.0: no WAITAOF
    port = servers.begin(*KEPT, "--appendfsync", "everysec")
    server = serve(REDIS_URL=url(port))
    server.ready()
    (told,) = doubts(server.stderr)
    assert "Redis 7.0" in told["reason"]
    assert "up to a second of what was acknowledged is lost" in told["reason"]
    server.stop()
    servers.client(port).config_set("appendfsync", "always")
    server = serve(REDIS_URL=url(port))
    server.ready()
    server.stop()
    assert doubts(server.stderr) == []


def test_nothing_is_said_where_all_is_well(serve):
    server = serve()
    server.ready()
    server.stop()
    assert doubts(server.stderr) == []


def test_relaxed_is_called_so(serve, servers):
    server = serve(REDIS_URL=url(servers.begin(*KEPT)), OTP_DURABILITY="relaxed")
    server.ready()
    server.stop()
    (told,) = doubts(server.stderr)
    assert told["reason"].startswith("OTP_DURABILITY is relaxed: ")


def test_web_and_worker_without_serve(servers):
    options, said = WEAK["nothing"]
    stack = Stack(REDIS_URL=url(servers.begin(*options)), workers=1, worker_process=True)
    try:
        stack.start()
        by_command = Process(
            "by-command", [*stack.worker.command[:2], "service.cli", "worker"], stack.env, stack.folder
        )
        by_command.start()
        for process in (stack.web, stack.worker, by_command):
            wait_until(lambda p=process: doubts(p.text()))
            assert said in doubts(process.text())[0]["reason"]
        wait_until(lambda: "worker_started" in by_command.text())
        by_command.kill(signal.SIGTERM)
    finally:
        by_command.kill()
        stack.stop()
