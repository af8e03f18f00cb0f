"""Readiness in Redis: counted by the scripts that change users, a hash and a set a partition."""

from collections import Counter

from service.store import keys
from service.store.redis import Store


class ReadinessStore:
    """The counters of all applications."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def counts(self) -> Counter[tuple[str, str]]:
        """How many users there are, by application and class."""
        answers = self._store.batch([("HGETALL", keys.ready(partition)) for partition in keys.partitions()])
        found: Counter[tuple[str, str]] = Counter()
        for answer in answers:
            for field, count in answer.items():
                letters, _, application = field.decode().partition(" ")
                found[application, letters] += int(count)
        return +found

    def stuck(self, after: str, limit: int) -> list[str]:
        """Keyed hashes of users without a fallback, in order, after one of them (`""`: from the first)."""
        commands = [
            (
                "ZRANGEBYLEX",
                keys.stuck(partition),
                f"({after}" if after[:2] == partition else "-",
                *("+", "LIMIT", 0, limit),
            )
            for partition in keys.partitions()
            if partition >= after[:2]
        ]
        return [raw.decode() for raws in self._store.batch(commands) for raw in raws][:limit]
