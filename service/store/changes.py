"""Waiting for a challenge to change: one subscription a process, whatever the number of waiters."""

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from redis.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from service.store import keys
from service.store.redis import Store

RECONNECT = 1.0  # seconds
SILENCE = 5.0  # seconds without a word, after which the server is asked for one; as many more, and it is gone
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
                try:
                    pubsub.subscribe(keys.CHANGED)
                    self._follow(pubsub)
                finally:
                    pubsub.close()
            except (RedisError, OSError, ValueError):
                pause.wait(RECONNECT)

    def _follow(self, pubsub: PubSub) -> None:
        """Listen for as long as the server is there: who vanishes without a word sends no end either."""
        heard, asked = time.monotonic(), False
        while True:
            # Shorter than the client's own socket time-out, which would count as a lost connection.
            message = pubsub.get_message(timeout=min(1.0, SILENCE))
            silent = time.monotonic() - heard
            if message is not None:
                heard, asked = time.monotonic(), False
                self._wake(message)
            elif silent > 2 * SILENCE:
                raise RedisConnectionError("it answers no more")
            elif silent > SILENCE and not asked:
                pubsub.ping()
                asked = True

    def _wake(self, message: Mapping[str, Any]) -> None:
        if message["type"] != "message":
            return
        with self._lock:
            for waiter in self._waiters.get(message["data"].decode(), ()):
                waiter.event.set()
