"""Traffic in Redis: a hash of minutes per hour, written by the deciding worker; each hour ends by itself."""

import msgspec

from service.domain.traffic import Minute
from service.store import keys
from service.store.redis import Store

HOUR = 60  # minutes
KEPT = 25 * 3_600_000  # ms


class TrafficStore:
    """The minutes of the last day."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def minutes(self, first: int, last: int) -> dict[int, Minute]:
        """The minutes from `first` to `last` in which something happened."""
        hours = range(first // HOUR, last // HOUR + 1)
        answers = self._store.batch([("HGETALL", keys.health_traffic(hour)) for hour in hours])
        found = {int(name): raw for answer in answers for name, raw in answer.items()}
        return {
            number: msgspec.json.decode(raw, type=Minute)
            for number, raw in found.items()
            if first <= number <= last
        }
