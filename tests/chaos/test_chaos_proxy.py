"""That each fault of the proxy is the one that it says: seen by a plain client of a plain server."""

import contextlib
import socket
import threading
import time

import pytest

from tests.support.fault_proxy import before
from tests.support.stack import wait_until

SHORT = 0.3  # seconds that nothing is waited for


class Echo:
    """A server that sends back what it gets, and remembers what that was and how connections ended."""

    def __init__(self):
        self.got, self.ended = b"", []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes who accepts; a mere close does not
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection):
        try:
            while data := connection.recv(65536):
                self.got += data
                connection.sendall(data)
            self.ended.append("fin")
        except OSError:
            self.ended.append("reset")
        finally:
            connection.close()


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


@pytest.fixture
def proxy(echo):
    with before(echo.target) as found:
        yield found


@pytest.fixture
def connect(proxy):
    with contextlib.ExitStack() as opened:

        def make():
            client = opened.enter_context(socket.create_connection(("127.0.0.1", proxy.port), 5))
            client.settimeout(5)
            return client

        yield make


def ask(client, text=b"hello"):
    client.sendall(text)
    found = b""
    while len(found) < len(text) and (data := client.recv(65536)):
        found += data
    return found


def silent(client):
    """Whether nothing comes, no end either."""
    client.settimeout(SHORT)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(5)
    return False


def test_without_a_fault_it_only_carries(connect, echo, proxy):
    client = connect()
    assert ask(client, b"x" * 300_000) == b"x" * 300_000
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    wait_until(lambda: echo.ended == ["fin"])
    assert proxy.clear()["seen"] == 1
    wait_until(lambda: proxy.clear()["open"] == 0)


def test_latency_holds_each_way_up(connect, proxy):
    client = connect()
    ask(client)
    proxy.set("latency", seconds=0.2)
    began = time.monotonic()
    assert ask(client) == b"hello"
    assert 0.4 <= time.monotonic() - began < 2


def test_reset_is_rst_for_the_open_and_the_new(connect, proxy):
    client = connect()
    ask(client)
    proxy.set("reset")
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(OSError, match=r"reset|Broken pipe"):  # the kernel's handshake is over before ours
        ask(connect())
    proxy.clear()
    assert ask(connect()) == b"hello"


def test_in_a_black_hole_bytes_vanish_for_good(connect, echo, proxy):
    client = connect()
    ask(client)
    proxy.set("black_hole")
    new = connect()
    for one in (client, new):
        one.sendall(b"lost")
        assert silent(one)
    assert echo.got == b"hello"
    proxy.clear()
    client.sendall(b"lost too")  # a stream with a hole in it would be no TCP
    assert silent(client)
    assert silent(new)
    assert echo.got == b"hello"
    assert ask(connect()) == b"hello"


def test_what_stalls_arrives_when_it_is_over(connect, echo, proxy):
    client = connect()
    ask(client)
    proxy.set("stall")
    new = connect()
    for one in (client, new):
        one.sendall(b"late")
        assert silent(one)
    assert echo.got == b"hello"
    proxy.clear()
    assert client.recv(10) == b"late"
    assert new.recv(10) == b"late"


def test_half_open_takes_the_peer_away_and_says_nothing(connect, echo, proxy):
    client = connect()
    ask(client)
    proxy.set("half_open")
    wait_until(lambda: len(echo.ended) == 1)  # the server is rid of it
    client.sendall(b"anybody?")
    assert silent(client)
    assert ask(connect()) == b"hello"  # new ones work
    proxy.clear()
    assert silent(client)


def test_trickle_is_a_byte_at_a_time_and_the_rest_when_it_is_over(connect, proxy):
    client = connect()
    ask(client)
    proxy.set("trickle", seconds=0.05)
    began = time.monotonic()
    client.sendall(b"0123456789")
    assert [client.recv(10) for _ in range(4)] == [b"0", b"1", b"2", b"3"]
    assert time.monotonic() - began >= 0.15
    proxy.clear()
    rest = b""
    while len(rest) < 6:
        rest += client.recv(10)
    assert rest == b"456789"
    assert ask(client) == b"hello"


def test_a_lost_answer_was_asked_for(connect, echo, proxy):
    client = connect()
    ask(client)
    proxy.set("lost_answer")
    client.sendall(b"again")
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    wait_until(lambda: echo.got == b"helloagain")


def test_some_answers_are_lost(connect, proxy):
    proxy.set("lost_answer", share=0.5)
    found = []
    for _ in range(40):
        try:
            found.append(ask(connect()))
        except ConnectionResetError:
            found.append(None)
    assert 8 < found.count(None) < 32
    assert found.count(None) + found.count(b"hello") == 40


def test_a_server_that_is_not_there(connect, echo, proxy):
    echo.close()
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        ask(connect())


def test_it_ends_with_who_started_it(proxy):
    proxy._popen.stdin.close()
    assert proxy._popen.wait(5) == 0
