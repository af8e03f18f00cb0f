"""Reading what happened lately."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.domain.traffic import MINUTE, Minute, merged
from service.store.traffic import TrafficStore

COLUMNS = 60


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time up to now, in columns of `each` minutes; `start` in ms."""

    start: int
    each: int
    columns: Sequence[Minute]


class ReadTraffic:
    """Answers from the minutes that the deciding worker counted."""

    def __init__(self, traffic: TrafficStore, *, clock: Callable[[], int]) -> None:
        self._traffic = traffic
        self._clock = clock

    def __call__(self, hours: int) -> Span:
        """The last hours, in `COLUMNS` columns."""
        each = max(1, hours * 60 // COLUMNS)
        last = self._clock() // MINUTE
        last += -last % each  # columns stay where they are while time goes on
        first = last - hours * 60 + 1
        minutes = self._traffic.minutes(first, last)
        return Span(first * MINUTE, each, merged(minutes, first, last, each))
