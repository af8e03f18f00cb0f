"""How far the workers are behind, as metrics."""

from collections.abc import Callable

from service.store.health import HealthStore
from service.store.queues import QueueStore
from service.telemetry import metrics


class MeasureBacklog:
    """Measures what waits for a worker. Every worker does: what the last one saw is told."""

    def __init__(self, queues: QueueStore, health: HealthStore, *, clock: Callable[[], int]) -> None:
        self._queues = queues
        self._health = health
        self._clock = clock

    def __call__(self) -> None:
        """Measure once. Raises `StoreUnavailable`."""
        now = self._clock()
        metrics.OUTBOX_LAG.set(_seconds(now, self._health.unread_since()))
        for name, queue in self._queues.lengths(now).items():
            metrics.QUEUE_LENGTH.labels(name, "due").set(queue.due)
            metrics.QUEUE_LENGTH.labels(name, "later").set(queue.later)
            metrics.QUEUE_AGE.labels(name).set(_seconds(now, queue.oldest))


def _seconds(now: int, since: int | None) -> float:
    return max(now - since, 0) / 1000 if since is not None else 0.0
