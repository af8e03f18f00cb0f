"""Gunicorn's master, which lets a worker go only once another one serves in its place.

Gunicorn's own reload ends the old workers as soon as the new ones are forked: until those have loaded the
application nobody serves, and if they can't be loaded nobody does. Here the old ones go on meanwhile. Then
they are *retired*: they take no new connections, answer what the present ones still bring, and say with each
answer that it is the connection's last (RFC 9112 section 9.6). A connection that is merely closed may have a
request on its way, and a client must not send a POST again that may have been done.
"""

import signal
import time

from gunicorn import arbiter
from gunicorn.errors import HaltServer

from service.runtime.gunicorn_worker import RETIRE, RETIRE_WITHIN, Worker

PAUSE = 5.0  # seconds until one that could not begin is tried again
KILL_AFTER = RETIRE_WITHIN + 15  # seconds; a worker that should have ended by itself


class Arbiter(arbiter.Arbiter):  # type: ignore[misc]
    """The master process; `WORKERS` are those that are not retired."""

    WORKERS: dict[int, Worker]

    def __init__(self, app: object) -> None:
        super().__init__(app)
        self._retired: dict[int, tuple[Worker, float]] = {}  # by process: since when
        self._next_try = 0.0

    def reload(self) -> None:
        """Begin to replace all workers. A second reload ends the patience with those of the first."""
        for pid in self._retired:
            self.kill_worker(pid, signal.SIGTERM)
        self.app.reload()
        self.setup(self.app)
        self.log.reopen_files()
        for _ in range(self.num_workers):
            self.spawn_worker()

    def manage_workers(self) -> None:
        """Have as many workers as there should be; who serves beyond that is retired, the oldest first."""
        if time.monotonic() >= self._next_try:
            self.spawn_workers()
        serving = sorted((worker.age, pid) for pid, worker in self.WORKERS.items() if worker.serves)
        for _, pid in serving[: max(0, len(serving) - self.num_workers)]:
            self.kill_worker(pid, RETIRE)
            if (worker := self.WORKERS.pop(pid, None)) is not None:
                self._retired[pid] = (worker, time.monotonic())

    def murder_workers(self) -> None:
        """End who gives no sign of life, and retired ones that do not end."""
        super().murder_workers()
        for pid, (_, since) in list(self._retired.items()):
            if time.monotonic() - since > KILL_AFTER:
                self.kill_worker(pid, signal.SIGKILL)

    def reap_workers(self) -> None:
        """Note who has ended. One that could not begin ends all of us only if nobody else serves.

        Raises:
            HaltServer: it can't be served with these settings.

        """
        self.WORKERS.update({pid: worker for pid, (worker, _) in self._retired.items()})
        try:
            super().reap_workers()
        except HaltServer as halt:
            if not any(worker.serves for worker in self.WORKERS.values()):
                raise
            self._next_try = time.monotonic() + PAUSE
            self.log.warning("%s The others go on.", halt.reason)
        finally:
            self._retired = {pid: kept for pid, kept in self._retired.items() if pid in self.WORKERS}
            for pid in self._retired:
                del self.WORKERS[pid]

    def stop(self, graceful: bool = True) -> None:
        """End all workers, retired ones as well."""
        self.WORKERS.update({pid: worker for pid, (worker, _) in self._retired.items()})
        self._retired = {}
        super().stop(graceful)
