"""How long the worker's queues are: sorted sets of jobs by when (ms) they are due."""

from collections.abc import Mapping
from typing import NamedTuple

from service.store import keys
from service.store.redis import Store

QUEUES: Mapping[str, tuple[str, ...]] = {
    "deadlines": tuple(keys.due(partition) for partition in keys.partitions()),
    "vendor": (keys.VENDOR_DUE,),
    "notices": (keys.NOTICES_DUE,),
}


class QueueLength(NamedTuple):
    """A queue: how many jobs are due and not taken, how many later, and since when (ms) the oldest is due."""

    due: int
    later: int
    oldest: int | None


class QueueStore:
    """Looks at all queues."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def lengths(self, now: int) -> dict[str, QueueLength]:
        """Each queue's length, by its name."""
        commands = [
            command
            for sets in QUEUES.values()
            for name in sets
            for command in (
                ("ZCARD", name),
                ("ZCOUNT", name, "-inf", now),
                ("ZRANGE", name, "-inf", now, "BYSCORE", "LIMIT", 0, 1, "WITHSCORES"),
            )
        ]
        answers = iter(self._store.batch(commands))
        found = {}
        for queue, sets in QUEUES.items():
            looks = [(next(answers), next(answers), next(answers)) for _ in sets]
            due = sum(due for _, due, _ in looks)
            oldest = min((_score(first) for _, _, first in looks if first), default=None)
            found[queue] = QueueLength(due, sum(all_ for all_, _, _ in looks) - due, oldest)
        return found


def _score(first: list[tuple[bytes, float]]) -> int:
    return int(first[0][1])
