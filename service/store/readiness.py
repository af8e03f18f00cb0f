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
        found: list[str] = []
        for partition in keys.partitions():
            if after and partition < after[:2]:
                continue
            start = f"({after}" if after[:2] == partition else "-"
            command = ("ZRANGEBYLEX", keys.stuck(partition), start, "+", "LIMIT", 0, limit - len(found))
            (raws,) = self._store.batch([command])
            found += [raw.decode() for raw in raws]
            if len(found) >= limit:
                break
        return found
