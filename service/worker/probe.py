"""How a worker that runs by itself is watched: `/healthz`, `/readyz` and `/metrics` on a port of its own.

Beside a web server on the same host there is no need for it: that one tells of the worker as well.
"""

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from service.telemetry import logs
from service.telemetry.exposition import CONTENT_TYPE, exposition

STALE = 30.0  # seconds without a look at what is due: Redis is away, or the worker is stuck
AT_ONCE = 16  # connections; whoever watches needs one

_log = logs.get("worker")
Start = Callable[[str, list[tuple[str, str]]], object]


class Probe:
    """Answers on a port, in the worker's own process.

    Args:
        host: the address to listen on.
        port: the port.
        clock: seconds that only go up.

    """

    def __init__(self, host: str, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = WSGIServer((host, port), self.answer, log=None, error_log=None, spawn=Pool(AT_ONCE))
        self._clock = clock
        self._seen: float | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port can't be listened on.

        """
        self._server.start()
        _log.info("worker_probe_started")

    def stop(self) -> None:
        """Take no more connections; the worker still finishes what it began."""
        self._server.close()

    def saw(self) -> None:
        """The worker has just looked at what is due."""
        self._seen = self._clock()

    def answer(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer a request (WSGI)."""
        status, kind, body = HTTPStatus.OK, "text/plain; charset=utf-8", b"ok\n"
        match environ["PATH_INFO"]:
            case "/healthz":
                pass
            case "/readyz":
                if self._seen is None or self._clock() - self._seen > STALE:
                    status, body = HTTPStatus.SERVICE_UNAVAILABLE, b"nothing was looked at\n"
            case "/metrics":
                kind, body = CONTENT_TYPE, exposition()
            case _:
                status, body = HTTPStatus.NOT_FOUND, b"not found\n"
        start(f"{status.value} {status.phrase}", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]
