"""Gunicorn's gevent worker, whose connections have their time, and which ends in one of two ways.

*Told to end* (SIGTERM: the service ends) it does not wait for idle connections. *Retired* (SIGUSR2: others
serve in its place) it has time: it takes no new connections, and an idle one may bring a request as ever.
"""

import mmap
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from gevent.local import local
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.errors import ParseException
from gunicorn.workers.ggevent import GeventWorker

from service.runtime import refusal
from service.runtime.connection import HEAD, WORTH_READING, Client, TooSlow

LAST_REQUESTS = 0.5  # seconds in which a connection may still bring a request that was on its way
RETIRE = signal.SIGUSR2
RETIRE_WITHIN = 120  # seconds; idle connections are kept for 75, and requests take less than 30 then
CROWDED = 0.9  # of its connections; from there on a process lets idle ones go

util.write_error = refusal.write
wsgi.SERVER = "otp-fallback"  # the `Server` header; which program answers is nobody's business


class _Body(Body):  # type: ignore[misc]
    """A request's body, whose faults are answers."""

    def _read_reader(self, size: int) -> bytes:
        from werkzeug.exceptions import BadRequest, RequestTimeout  # not before gevent has patched

        try:
            data: bytes = super()._read_reader(size)
        except ParseException:
            raise BadRequest from None
        except TimeoutError:
            raise RequestTimeout from None
        return data

    @property
    def unread(self) -> bool:
        """Whether more of it is to come than is worth reading for the sake of the connection."""
        if self.failed:
            return True
        if isinstance(self.reader, LengthReader):
            return bool(self.reader.length > WORTH_READING)
        return self.reader.parser is not None


class Worker(GeventWorker):  # type: ignore[misc]
    """A worker that bounds what a connection may take.

    Attributes:
        serves: whether it takes connections by now; the master may ask, too.

    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._serves = mmap.mmap(-1, 1)  # made before the fork: shared with the master
        self._retired_at: float | None = None
        self._grace: int = self.cfg.graceful_timeout
        self._here = local()
        self._open = 0
        self._waiting: dict[Client, None] = {}  # the longest first

    @property
    def serves(self) -> bool:  # noqa: D102 - above
        return self._serves[0] == 1

    def notify(self) -> None:
        """A sign of life; the first one comes once connections are taken."""
        super().notify()
        self._serves[0] = 1

    def handle(self, listener: Any, accepted: Any, address: Any) -> None:
        """Serve a connection to its end."""
        client = self._here.client = Client(accepted)
        self._here.seconds = HEAD  # idle connections are of those who asked for something already
        self._open += 1
        try:
            if self._open > CROWDED * self.worker_connections and self._waiting:
                next(iter(self._waiting)).end()
            super().handle(listener, client, address)
        finally:
            self._open -= 1
            client.close()

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """The wait for a connection's next request, and that request's header."""
        client = self._here.client
        client.expect_request(self._here.seconds if self.alive or self._retired_at else LAST_REQUESTS)
        self._waiting[client] = None
        try:
            yield
        finally:
            self._waiting.pop(client, None)

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> Any:
        """Answer a request. What can't be the beginning of another one is not taken for it."""
        self._here.seconds = self.cfg.keepalive
        sock.expect_body()
        body = req.body = _Body(req.body.reader)
        asked_to_close = req.should_close

        def should_close() -> bool:
            sock.refused = body.unread
            return bool(sock.refused or asked_to_close())

        req.should_close = should_close
        return super().handle_request(listener_name, req, sock, addr)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Refuse what is no request."""
        if isinstance(exc, TooSlow):
            refusal.write(client, 408)
        else:
            super().handle_error(req, client, addr, exc)

    def init_signals(self) -> None:
        """As gunicorn does, and for what our master says."""
        super().init_signals()
        signal.signal(RETIRE, self._handle_retire)
        signal.siginterrupt(RETIRE, False)

    def _handle_retire(self, _sig: int, _frame: Any) -> None:
        self._retired_at = time.time()
        self.cfg.set("graceful_timeout", RETIRE_WITHIN)
        self.alive = False  # each answer is its connection's last now
        gevent.spawn(self._end_streams)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: finish what is under way; connections on which nothing is, end."""
        if self._retired_at is not None:  # its time began then
            gone = int(time.time() - self._retired_at)
            self.cfg.set("graceful_timeout", gone + self._grace)
            self._retired_at = None
        super().handle_exit(sig, frame)
        gevent.spawn(self._end_idle)

    # These two are not done in the signal's handler: they may wait for a lock.

    def _end_streams(self) -> None:
        if (application := getattr(self, "wsgi", None)) is not None:  # else it is still starting
            application.extensions["otp"].watch.stop()

    def _end_idle(self) -> None:
        self._end_streams()
        waiting = list(self._waiting)
        gevent.sleep(LAST_REQUESTS)
        for client in waiting:
            if client in self._waiting:
                client.end()
