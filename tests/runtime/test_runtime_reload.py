"""SIGHUP replaces the web workers: nobody who calls meanwhile is refused, reset or kept waiting for it."""

import contextlib
import http.client
import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import redis
from serve_process import Serve, wait_until

from service.runtime.valkey_socket import socket_path

KEEPING, ANEW = 4, 2  # callers that keep their connection, and ones with a new connection for each call

PAUSE = 0.005  # seconds between one answer and the next call, in which others get at the processor


class Caller:
    """Somebody who sends POSTs that must not be sent again, so each has to be answered."""

    def __init__(self, server, *, keeps):
        self.host, self.keeps, self.answered, self.last_ones = urlsplit(server.url).netloc, keeps, 0, 0
        self.key, self.wrong, self.slowest = server.told["api_key"], [], 0.0

    def connect(self):
        self.connection = http.client.HTTPConnection(self.host, timeout=30)
        self.connection.connect()

    def ask(self):
        """One POST; whether its answer was the last one of its connection."""
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        self.connection.request("POST", "/v1/proofs/introspect", json.dumps({"proof": "none"}), headers)
        answer = self.connection.getresponse()
        assert (answer.status, json.load(answer)) == (200, {"active": False})
        self.answered += 1
        self.slowest = max(self.slowest, time.monotonic() - began)
        return answer.getheader("Connection") == "close"

    def work(self, ended):
        self.connect()
        while not ended.is_set():
            try:
                last = self.ask()
            except (OSError, http.client.HTTPException, AssertionError) as error:
                self.wrong.append(repr(error))
                last = True
            self.last_ones += last
            if last or not self.keeps:
                self.connection.close()
                self.connect()
            time.sleep(PAUSE)
        self.connection.close()


@contextlib.contextmanager
def calling(server):
    """Callers who go on all the while."""
    callers = [Caller(server, keeps=number < KEEPING) for number in range(KEEPING + ANEW)]
    ended = threading.Event()
    with ThreadPoolExecutor(len(callers)) as pool:
        futures = [pool.submit(caller.work, ended) for caller in callers]
        try:
            wait_until(lambda: all(caller.answered > 5 for caller in callers), 30)
            yield callers
        finally:
            ended.set()
        for future in futures:
            future.result(60)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    serve = Serve(tmp_path_factory.mktemp("reload") / "var", OTP_WORKERS="2")
    serve.ready()
    [serve.master] = {p.pid for p in serve.find("gunicorn_conf")} & {
        p.pid for p in psutil.Process(serve.process.pid).children()
    }
    wait_until(lambda: len(workers(serve)) == 2, what="both workers")
    yield serve
    serve.process.kill()
    serve.ended()


def workers(server):
    """The web workers' process ids; read so that much looking costs little."""
    return {
        int(pid) for pid in Path(f"/proc/{server.master}/task/{server.master}/children").read_text().split()
    }


def test_no_call_is_lost_when_the_workers_are_replaced(server):
    old = workers(server)
    idle = Caller(server, keeps=True)
    idle.connect()
    assert not idle.ask()
    with calling(server) as callers:
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(workers(server) - old) == 2, 60, "new workers")
        # Whoever kept a connection to an old worker was told to leave it.
        wait_until(lambda: all(caller.last_ones for caller in callers[:KEEPING]), 60, "a last answer")
        before = sum(caller.answered for caller in callers)
        wait_until(lambda: sum(caller.answered for caller in callers) > before + 100, 60)
    assert [line for caller in callers for line in caller.wrong] == []
    print("slowest answer:", max(caller.slowest for caller in callers))
    # An idle connection was not closed under a request on its way, and keeps one old worker until it is used.
    wait_until(lambda: len(workers(server) & old) == 1, what="the end of the other")
    assert idle.ask()
    wait_until(lambda: not workers(server) & old, what="the end of the last old worker")
    assert len(workers(server)) == 2


def test_who_is_retired_and_who_can_not_start_hold_up_nobody(server):
    idle = [Caller(server, keeps=True) for _ in range(2)]

    def reload(caller):
        """Replace the workers; one is kept from ending by an idle connection."""
        before = workers(server)
        caller.connect()
        assert not caller.ask()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(workers(server) & before) == 1, 60, "new workers")
        return before

    first = reload(idle[0])
    serving = workers(server) - first
    # As when Redis can't be reached at a reload: who serves goes on.
    store = redis.Redis(unix_socket_path=str(socket_path(Path(server.env["OTP_DATA_DIR"]))))
    store.config_set("requirepass", "another")  # connections that are open stay open
    try:
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.stderr.count("The others go on.") == 2, 60, "two refusals")
    finally:
        store.config_set("requirepass", "")
    assert server.answers("/healthz")
    # The patience with those of one reload ends with the next.
    wait_until(lambda: workers(server) == serving, what="the end of the retired one")
    second = reload(idle[1])
    assert len(workers(server)) == 3
    assert serving == second
    assert server.stop() == 0
    assert "process_killed" not in server.stderr  # it ended within its time
