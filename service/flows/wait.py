"""Waiting for a challenge to change."""

import time
from collections.abc import Callable

from service.domain.challenge import Challenge, Subject
from service.flows.change import ChangeChallenge
from service.store.changes import ChangeListener

LOOK_AGAIN = 5.0  # seconds between looks while nobody reports a change


def mark(challenge: Challenge, now: int) -> str:
    """What changes with every stored change of a challenge, and when it expires."""
    return f"{challenge.version}-{challenge.status_at(now)}"


class WaitForChange:
    """Holds a caller until a challenge is not any more what it knows."""

    def __init__(self, change: ChangeChallenge, changes: ChangeListener, *, clock: Callable[[], int]) -> None:
        self._change = change
        self._changes = changes
        self._clock = clock

    def __call__(
        self, application: str, challenge_id: str, known: str | None, seconds: float
    ) -> tuple[Challenge, Subject]:
        """The challenge, once it is not `known` (unset: as it is now), has ended, or the time is up.

        The time is up, too, for the longest of too many who wait for the same one.

        Raises:
            NotFound: no such challenge in this application.
        """
        if seconds <= 0:
            return self._change.get(application, challenge_id)
        until = time.monotonic() + seconds
        waiter = self._changes.register(challenge_id)
        try:
            # Registered first, read afterwards: a change in between is not missed.
            while True:
                challenge, subject = self._change.get(application, challenge_id)
                now = self._clock()
                present = mark(challenge, now)
                known = known or present
                left = until - time.monotonic()
                if waiter.over or present != known or challenge.status_at(now) != "pending" or left <= 0:
                    return challenge, subject
                expires_in = (challenge.expires_at - now) / 1000
                waiter.event.wait(max(0.01, min(left, LOOK_AGAIN, expires_in)))
                waiter.event.clear()
        finally:
            self._changes.unregister(challenge_id, waiter)
