"""A client's connection, on which each part of an exchange has its time.

Whoever sends a request, or reads an answer, a byte at a time holds one of a process's connections; without
bounds a few hundred such clients keep all others out (CWE-400, "slowloris"). How long *we* take is no concern
of this file: a long poll waits without reading or writing.
"""

import errno
import socket
import struct
import time
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING

import gevent
from gevent import socket as gevent_socket
from gunicorn.http.errors import NoMoreData

if TYPE_CHECKING:
    from typing_extensions import Buffer

HEAD = (
    10.0  # seconds from a request's first byte to the end of its header; also for a new client's first byte
)
BODY = 15.0  # seconds for a body, which has 64 KiB at most
ANSWER = 15.0  # seconds for a piece of an answer, and more for a large one:
SLOWEST = 8 * 1024  # bytes a second; a slow telephone has five times that
WORTH_READING = 64 * 1024  # bytes of a body that nobody wanted; for more the connection is given up
LINGER = 1.0  # seconds for what a client still sends of a request that was refused
LINGER_BYTES = 1024 * 1024
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time; what is unsent is thrown away


class TooSlow(Exception):
    """A request's header did not come in time."""


class _Part(Enum):
    WAIT = auto()  # for a request's first byte
    HEAD = auto()
    BODY = auto()


class Client(gevent_socket.socket):
    """A connection that takes over from a socket of the server's."""

    def __init__(self, accepted: gevent_socket.socket) -> None:
        family, kind, proto = accepted.family, accepted.type, accepted.proto
        super().__init__(family, kind, proto, fileno=accepted.detach())
        self.refused = False  # something of its request was left unread
        self._part = _Part.WAIT
        self._until: float | None = None

    def expect_request(self, seconds: float) -> None:
        """The next byte begins a request; none in time, and it is as if the client had gone."""
        self._part, self._until = _Part.WAIT, time.monotonic() + seconds

    def expect_body(self) -> None:
        """The header is here. The body's time begins when somebody wants it."""
        self._part, self._until = _Part.BODY, None

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Read what comes next.

        Raises:
            NoMoreData: no request came.
            TooSlow: a header did not come in time.
            TimeoutError: a body did not come in time.
        """
        now = time.monotonic()
        if self._until is None:
            self._until = now + BODY
        if now >= self._until:
            raise self._late()
        self.settimeout(self._until - now)
        try:
            data: bytes = super().recv(size, flags)
        except TimeoutError:
            raise self._late() from None
        if self._part is _Part.WAIT and data:
            self._part, self._until = _Part.HEAD, time.monotonic() + HEAD
        return data

    def _late(self) -> Exception:
        if self._part is _Part.BODY:
            _count("body")
            return TimeoutError()
        if self._part is _Part.HEAD:
            _count("head")
            return TooSlow()
        gone: Exception = NoMoreData()
        return gone

    def sendall(self, data: "Buffer", flags: int = 0) -> None:
        """Send a piece of an answer.

        Raises:
            ConnectionResetError: the client does not read it; gunicorn takes this for a client that went.
        """
        self.settimeout(ANSWER + memoryview(data).nbytes / SLOWEST)
        try:
            super().sendall(data, flags)
        except TimeoutError:
            _count("answer")
            # What was not read would stay in the kernel for minutes.
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            raise ConnectionResetError(errno.ECONNRESET, "not read in time") from None

    def end(self) -> None:
        """Let the wait for a request be over; one that is here already is served."""
        with suppress(OSError):  # it has gone
            self.shutdown(socket.SHUT_RD)

    def close(self) -> None:
        """Close; after a refusal so that the client can read it.

        A connection that is closed with something unread is reset, and a reset may overtake the answer
        (RFC 9112 section 9.6).
        """
        if self.refused:
            self.refused = False
            self._drain()
        super().close()

    def _drain(self) -> None:
        until, read = time.monotonic() + LINGER, 0
        with suppress(OSError):
            self.shutdown(socket.SHUT_WR)
            while read < LINGER_BYTES and (left := until - time.monotonic()) > 0:
                self.settimeout(left)
                data = super().recv(64 * 1024)
                if not data:
                    return
                read += len(data)
                gevent.sleep(0)  # others come first


def _count(part: str) -> None:
    from service.telemetry import metrics  # not before the fork: it opens a file for its process

    metrics.SLOW_CLIENTS.labels(part).inc()
