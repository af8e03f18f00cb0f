"""Clients that take their time, by the hundred: logins go on, and each of them is ended in time."""

import contextlib
import re
import select
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import pytest
import requests

from service.runtime.connection import ANSWER, BODY, HEAD
from service.store.changes import MOST_WAITERS
from tests.support.stack import API_KEY, running, wait_until

GRACE = 4.0  # seconds; this machine does other things too
TRICKLE = 0.25  # seconds between the bytes of a slow client


class Slow:
    """Connections that send a beginning, and then a byte now and then; or that read nothing."""

    def __init__(self, port: int, number: int, beginning: bytes, *, small: bool = False) -> None:
        self.heard: dict[socket.socket, bytes] = {}
        self.ended: dict[socket.socket, float] = {}
        for _ in range(number):
            client = socket.socket()
            if small:  # not read is soon not sent
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(10)
            client.connect(("127.0.0.1", port))
            client.sendall(beginning)
            client.setblocking(False)
            self.heard[client] = b""
        self.began = time.monotonic()

    def trickle(self) -> None:
        """Send one more byte on each, and note which have been ended."""
        for client in self.heard:
            if client in self.ended:
                continue
            with contextlib.suppress(BlockingIOError):
                try:
                    client.send(b"x")
                    while data := client.recv(4096):
                        self.heard[client] += data
                except BlockingIOError:
                    raise
                except OSError:
                    pass
                self.ended[client] = time.monotonic() - self.began

    def watch(self) -> None:
        """Note which have been ended, without reading."""
        for client in self.heard:
            poll = select.poll()
            poll.register(client, 0)  # errors alone
            if client not in self.ended and poll.poll(0):
                self.ended[client] = time.monotonic() - self.began

    def close(self) -> None:
        for client in self.heard:
            client.close()


def workers(stack) -> list[psutil.Process]:
    return psutil.Process(stack.web.popen.pid).children()


def login(stack, name: str) -> float:
    """Seconds that a whole login took, each call on a connection of its own."""
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {API_KEY}"}
    started = requests.post(
        f"{stack.url}/v1/challenges",
        json={"user_id": name, "email": f"{name}@mail.example", "channels": ["email"]},
        headers=headers,
        timeout=30,
    ).json()
    code = stack.sandbox.code(f"{name}@mail.example", "email")
    verdict = requests.post(
        f"{stack.url}/v1/challenges/{started['id']}/verify", json={"code": code}, headers=headers, timeout=30
    ).json()
    assert verdict.get("valid") is True, (started, verdict)
    return time.monotonic() - began


def counted(stack) -> dict[str, float]:
    """How many slow clients were ended, by the part they were slow in."""
    text = requests.get(f"{stack.url}/metrics", timeout=10).text
    return {
        part: float(number)
        for part, number in re.findall(r'^otp_slow_clients_total\{part="(\w+)"\} (\S+)', text, re.MULTILINE)
    }


@pytest.fixture(scope="module")
def stack() -> Iterator[object]:
    with running(workers=1) as found:
        yield found


@pytest.mark.timeout(180)
def test_hundreds_of_slow_clients(stack):
    (process,) = workers(stack)
    login(stack, "before")
    descriptors, memory = process.num_fds(), process.memory_info().rss

    patient = []  # what takes long because we make it wait goes on

    def wait_for(path: str) -> None:
        began = time.monotonic()
        answer = requests.get(
            f"{stack.url}{path}", headers={"Authorization": f"Bearer {API_KEY}"}, timeout=60
        )
        patient.append((path, answer.status_code, time.monotonic() - began))

    held = stack.api.start("held", email="held@mail.example", channels=["email"])
    waits = [f"/v1/challenges/{held['id']}?wait=20", "/v1/ops/events?for=20"]
    threads = [threading.Thread(target=wait_for, args=(path,)) for path in waits]
    for thread in threads:
        thread.start()

    style = re.search(r"/assets/ui\.\w+\.css", requests.get(f"{stack.url}/status", timeout=10).text)[0]
    page = f"GET {style} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    heads = Slow(stack.port, 250, b"POST /v1/challenges HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    bodies = Slow(
        stack.port,
        250,
        b"POST /v1/challenges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n"
        b"Authorization: Bearer " + API_KEY.encode() + b"\r\n\r\n{",
    )
    readers = Slow(stack.port, 5, page * 2000, small=True)
    wait_until(lambda: process.num_fds() >= descriptors + 500, 10)
    took = []
    for turn in range(1000):
        heads.trickle()
        bodies.trickle()
        readers.watch()
        if turn % 8 == 0:
            took.append(login(stack, f"user-{turn}"))
        slow = len(heads.ended) + len(bodies.ended) + len(readers.ended)
        if slow == 505 or time.monotonic() - heads.began > 60:
            break
        time.sleep(TRICKLE)

    assert len(heads.ended) == len(bodies.ended) == 250
    assert HEAD - 1 < max(heads.ended.values()) < HEAD + GRACE
    assert BODY - 1 < max(bodies.ended.values()) < BODY + GRACE
    for group, count in ((heads, 250), (bodies, 250)):
        told = [heard for heard in group.heard.values() if heard.startswith(b"HTTP/1.1 408 ")]
        assert len(told) == count
        assert all(b'"code": "request_timeout"' in heard for heard in told)
        assert all(b"Connection: close" in heard for heard in told)
    assert len(readers.ended) == 5
    assert max(readers.ended.values()) < ANSWER + 10
    assert len(took) > 3
    assert max(took) < HEAD  # they wait for nobody slow
    assert counted(stack) == {"head": 250, "body": 250, "answer": 5}

    for thread in threads:
        thread.join(30)
    assert [(path, status) for path, status, _ in sorted(patient)] == [(p, 200) for p in sorted(waits)]
    assert all(19 < seconds < 30 for _, _, seconds in patient)

    for group in (heads, bodies, readers):
        group.close()
    # The connections that the service keeps to Redis and to others may have grown a little.
    wait_until(lambda: process.num_fds() <= descriptors + 20, 20)
    assert process.memory_info().rss - memory < 40 * 1024 * 1024


@pytest.mark.timeout(120)
def test_when_they_have_taken_every_connection_others_are_served_soon():
    with running(workers=1, GUNICORN_CMD_ARGS="--worker-connections 100") as stack:
        slow = Slow(stack.port, 150, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(TRICKLE):
                slow.trickle()

        thread = threading.Thread(target=trickle)
        thread.start()
        try:
            answer = requests.get(f"{stack.url}/healthz", timeout=2 * HEAD + GRACE)
            assert answer.status_code == 200
            # Behind the fifty that came before it, which wait for the first hundred to be ended.
            assert time.monotonic() - slow.began < HEAD + GRACE
        finally:
            stop.set()
            thread.join()
            slow.close()


def test_idle_connections_make_room():
    with running(workers=1, GUNICORN_CMD_ARGS="--worker-connections 50") as stack:
        idle = []
        for _ in range(120):
            client = socket.create_connection(("127.0.0.1", stack.port), timeout=5)
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            heard = b""
            while not heard.endswith(b"}\n"):
                heard += client.recv(4096)
            assert heard.startswith(b"HTTP/1.1 200")
            idle.append(client)
        (process,) = workers(stack)
        wait_until(lambda: len(process.net_connections("tcp")) <= 60, 5)
        idle[0].settimeout(5)
        assert idle[0].recv(4096) == b""  # the one that was idle longest made room
        idle[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert idle[-1].recv(4096).startswith(b"HTTP/1.1 200")
        for client in idle:
            client.close()


def test_a_connection_on_which_nothing_comes_is_closed_without_a_word(stack):
    with socket.create_connection(("127.0.0.1", stack.port), timeout=HEAD + GRACE) as client:
        began = time.monotonic()
        assert client.recv(100) == b""
        assert HEAD - 1 < time.monotonic() - began < HEAD + GRACE


def test_one_challenge_does_not_hold_every_connection(stack):
    """Who has a link to one may ask for its changes as often as there are sockets."""
    held = stack.api.start("many", email="many@mail.example", channels=["email"])
    question = (
        f"GET /v1/challenges/{held['id']}?wait=60 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        f"Authorization: Bearer {API_KEY}\r\n\r\n"
    ).encode()
    waiting = []
    for _ in range(MOST_WAITERS + 20):
        client = socket.create_connection(("127.0.0.1", stack.port), timeout=5)
        client.sendall(question)
        waiting.append(client)

    def answered():
        return len(select.select(waiting, [], [], 0)[0])

    wait_until(lambda: answered() == 20)  # the others wait on
    stack.api("POST", f"/v1/challenges/{held['id']}/cancel", {})
    wait_until(lambda: answered() == len(waiting))
    told = [client.recv(65536) for client in waiting]
    assert all(heard.startswith(b"HTTP/1.1 200") for heard in told)
    assert sum(b'"status":"canceled"' in heard for heard in told) == MOST_WAITERS
    for client in waiting:
        client.close()
