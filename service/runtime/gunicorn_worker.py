"""Gunicorn's gevent worker, which does not let idle keep-alive connections delay its end."""

from types import TracebackType
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

LAST_REQUESTS = 0.5  # seconds in which a connection may still bring a request that was on its way


class _Idle:
    """A connection's wait for its next request; ends without an error when its time is over."""

    def __init__(self, waiting: "set[_Idle]", seconds: float) -> None:
        self._waiting = waiting
        self._timeout = gevent.Timeout(seconds)

    def __enter__(self) -> None:
        self._greenlet = gevent.getcurrent()
        self._timeout.start()
        self._waiting.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._waiting.discard(self)
        self._timeout.close()
        return error is self._timeout

    def end(self) -> None:
        """Let its time be over."""
        gevent.kill(self._greenlet, self._timeout)


class Worker(GeventWorker):  # type: ignore[misc]
    """A worker that closes idle connections when it is asked to end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: set[_Idle] = set()

    def timeout_ctx(self) -> _Idle:
        """The bound on a connection's wait for its next request."""
        return _Idle(self._waiting, self.cfg.keepalive if self.alive else LAST_REQUESTS)

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: finish what is under way; connections on which nothing is, end."""
        super().handle_exit(sig, frame)
        gevent.spawn(self._end_idle)

    def _end_idle(self) -> None:
        # Here, not in the signal's handler: it may wait for a lock.
        if (application := getattr(self, "wsgi", None)) is not None:  # else it is still starting
            application.extensions["otp"].watch.stop()
        waiting = list(self._waiting)
        gevent.sleep(LAST_REQUESTS)
        for idle in waiting:
            if idle in self._waiting:
                idle.end()
