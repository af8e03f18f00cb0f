"""Failures below HTTP: connections that are kept waiting, fed byte by byte, or reset.

Each is the body of a WSGI answer: an iterator that the server only starts once the request is read, so
nothing has been sent when it chooses to break the connection.
"""

import errno
import socket
import struct
from collections.abc import Iterator
from itertools import chain, repeat

from gevent import get_hub
from gevent.event import Event

#: Key under which the server puts a request's connection into the WSGI environment.
CONNECTION = "sandbox.connection"
_READABLE = 1  # libev's EV_READ
_NO_LINGER = struct.pack("ii", 1, 0)


class Held:
    """Requests that are kept waiting, by the rule that holds them."""

    def __init__(self) -> None:
        self._waiting: dict[Event, int] = {}

    def wait(self, connection: socket.socket, rule_id: int, seconds: float | None = None) -> bool:
        """Wait; True as soon as the client has left or the rule was lifted, False when time is up."""
        woken = Event()
        # A client that waits for an answer sends nothing: readable means that it has hung up.
        watcher = get_hub().loop.io(connection.fileno(), _READABLE)
        watcher.start(woken.set)
        self._waiting[woken] = rule_id
        try:
            return woken.wait(seconds)
        finally:
            del self._waiting[woken]
            watcher.stop()
            watcher.close()

    def release(self, rule_id: int | None = None) -> None:
        """Break off what a rule holds, or everything."""
        for woken, holder in self._waiting.items():
            if rule_id in {None, holder}:
                woken.set()


def reset(connection: socket.socket) -> Iterator[bytes]:
    """Answer with a TCP reset."""
    yield b""
    raise _broken(connection)


def hang(held: Held, connection: socket.socket, rule_id: int) -> Iterator[bytes]:
    """Answer nothing, until the client leaves or the rule is lifted."""
    while not held.wait(connection, rule_id):
        yield b""
    raise _broken(connection)


def trickle(
    held: Held, connection: socket.socket, rule_id: int, body: bytes, interval: float
) -> Iterator[bytes]:
    """Answer a body byte by byte, ``interval`` seconds apart, then white space without end."""
    for byte in chain((body[i : i + 1] for i in range(len(body))), repeat(b" ")):
        yield byte
        if held.wait(connection, rule_id, interval):
            raise _broken(connection)


def _broken(connection: socket.socket) -> ConnectionResetError:
    """Have the connection's close send RST; raising this makes the server close it without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    return ConnectionResetError(errno.ECONNRESET, "reset by the sandbox")
