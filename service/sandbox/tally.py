"""How often each operation was asked for, and how it went: lets a test say "the provider was left alone"."""

import threading
from collections import defaultdict

MAX_UPDATES = 1000  #: verifications whose updates are remembered


class Tally:
    """Counts since the start or the last reset; safe to use from any thread."""

    OPERATIONS = ("send", "check", "update", "fetch", "attempts", "service", "mail")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Start again from nothing."""
        with self._lock:
            self._asked: dict[str, int] = defaultdict(int)
            self._done: dict[tuple[str, bool], int] = defaultdict(int)
            self._updates: dict[str, list[str]] = {}

    def asked(self, operation: str) -> None:
        """A request came in."""
        with self._lock:
            self._asked[operation] += 1

    def done(self, operation: str, *, ok: bool) -> None:
        """It was answered as asked (2xx), or not; requests made to wait forever count as failed."""
        with self._lock:
            self._done[operation, ok] += 1

    def updated(self, sid: str, status: str) -> None:
        """A verification was approved or cancelled from outside."""
        with self._lock:
            self._updates.setdefault(sid, []).append(status)
            if len(self._updates) > MAX_UPDATES:
                del self._updates[next(iter(self._updates))]

    def json(self) -> dict[str, object]:
        """``{operation: {total, ok, failed}, "updates": {sid: [status, ...]}}``."""
        with self._lock:
            counts: dict[str, object] = {
                operation: {
                    "total": self._asked[operation],
                    "ok": self._done[operation, True],
                    "failed": self._done[operation, False],
                }
                for operation in self.OPERATIONS
            }
            return counts | {"updates": {sid: list(statuses) for sid, statuses in self._updates.items()}}
