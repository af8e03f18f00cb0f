"""Waiting for a challenge to change: one subscription a process, whatever the number of waiters."""

import threading
from collections import defaultdict

from redis.client import PubSub
from redis.exceptions import RedisError

from service.store import keys
from service.store.redis import Store

RECONNECT = 1.0  # seconds
MOST_WAITERS = 10  # for one challenge in one process: some tabs, and the application


class Waiter:
    """Somebody who waits. `over`: no more, for others came to wait for the same challenge."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.over = False


class ChangeListener:
    """Wakes waiters when the scripts publish that a challenge changed.

    A message may be lost while the connection is; waiters look again from time to time all the same.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._waiters: dict[str, dict[Waiter, None]] = defaultdict(dict)  # the longest first
        self._thread: threading.Thread | None = None

    def register(self, challenge_id: str) -> Waiter:
        """A waiter whose event is set at the next change; give it back by `unregister`.

        Where too many wait for one challenge the longest wait is over: each holds a connection, and who has
        one link to one challenge must not hold all of them.
        """
        waiter = Waiter()
        with self._lock:
            waiters = self._waiters[challenge_id]
            if len(waiters) >= MOST_WAITERS:
                longest = next(iter(waiters))
                del waiters[longest]
                longest.over = True
                longest.event.set()
            waiters[waiter] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="changes", daemon=True)
                self._thread.start()
        return waiter

    def unregister(self, challenge_id: str, waiter: Waiter) -> None:
        """Stop waiting."""
        with self._lock:
            waiters = self._waiters[challenge_id]
            waiters.pop(waiter, None)
            if not waiters:
                del self._waiters[challenge_id]

    def _listen(self) -> None:
        pause = threading.Event()
        while True:
            try:
                pubsub = self._store.subscriber()
                pubsub.subscribe(keys.CHANGED)
                while True:
                    self._wake(pubsub)
            except (RedisError, OSError, ValueError):
                pause.wait(RECONNECT)

    def _wake(self, pubsub: PubSub) -> None:
        # Shorter than the client's own socket time-out, which would count as a lost connection.
        message = pubsub.get_message(timeout=1.0)
        if message is None:
            return
        with self._lock:
            for waiter in self._waiters.get(message["data"].decode(), ()):
                waiter.event.set()
