"""Following the outbox while it is written."""

import threading
from collections.abc import Iterator, Mapping, Sequence

from service.store.health import HealthStore, OutboxEvent
from service.store.keys import partitions

PAUSE = 0.5  # seconds between looks


OVERLAP = 1000  # ms that are told again, since what is written at once in two places is read in no order


def events_since(entry: str) -> dict[str, str]:
    """Where to go on after an event; some from before it come again."""
    begin = max(0, int(entry.partition("-")[0]) - OVERLAP)
    return dict.fromkeys(partitions(), f"{begin}-0")


class WatchEvents:
    """Reads what happens, for as long as somebody listens."""

    def __init__(self, outbox: HealthStore, stopping: threading.Event) -> None:
        self._outbox = outbox
        self._stopping = stopping

    def stop(self) -> None:
        """End every stream: the process is asked to."""
        self._stopping.set()

    def __call__(
        self, since: Mapping[str, str] | None, looks: int
    ) -> Iterator[tuple[Sequence[OutboxEvent], Mapping[str, str]]]:
        """The events of each look, in the order in which they were written, and where it came to.

        Args:
            since: where an earlier stream came to; unset: from now on.
            looks: how many, `PAUSE` apart.

        Raises:
            StoreUnavailable: Redis can't be reached.
        """
        positions = dict(since if since is not None else self._outbox.ends())
        for _ in range(looks):
            events = list(self._outbox.read(positions))
            for event in events:
                positions[event.partition] = event.entry
            yield events, positions
            if self._stopping.wait(PAUSE):
                return
