"""Carrying queued messages to their receivers: order within a lane, tries that spread out, an end to them."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from msgspec.structs import replace
from prometheus_client import Counter as Metric

from service.domain.webhooks import Message, retry_at
from service.store.hook_queue import Claimed, HookQueue, Queued
from service.telemetry import logs

AT_ONCE = 8  # lanes of one receiver under way in one worker
TURN = 20.0  # seconds that a lane is told for before others have their turn

_log = logs.get("courier")


class Delivered(NamedTuple):
    """The receiver took it."""

    status: str


class Needless(NamedTuple):
    """It need not be told any more."""


class Later(NamedTuple):
    """It is to be looked at again at a time (ms); that is no failure."""

    due: int


class Failed(NamedTuple):
    """The receiver did not take it. `asked`: ms that it wants to be left alone for."""

    status: str
    asked: int | None = None


Outcome = Delivered | Needless | Later | Failed


class Courier:
    """One kind of receivers' part of the queue."""

    def __init__(
        self,
        kind: str,
        queue: HookQueue,
        metric: Metric,
        *,
        clock: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        """A courier.

        Args:
            kind: of receivers, for logs, and for how far the outbox was read for them.
            queue: where messages wait.
            metric: counts outcomes.
            clock: ms.
            chance: from [0, 1); spreads the tries.
        """
        self._kind = kind
        self._queue = queue
        self._metric = metric
        self._clock = clock
        self._chance = chance
        self._under_way: Counter[str] = Counter()

    def queue(self, messages: list[Queued]) -> None:
        """Queue messages, those of one outbox entry once."""
        refused = self._queue.put(self._kind, messages, self._clock()) if messages else 0
        if refused:
            self._metric.labels("dropped").inc(refused)
            _log.error("messages_dropped", kind=self._kind, messages=refused)

    def claim(self, receivers: Iterable[str]) -> list[Claimed]:
        """Lanes to tell now."""
        free = {receiver: AT_ONCE - self._under_way[receiver] for receiver in receivers}
        claimed = self._queue.claim(free, self._clock())
        self._under_way.update(one.receiver for one in claimed)
        return claimed

    def carry(self, first: Claimed, tell: Callable[[Message], Outcome]) -> None:
        """Tell what waits in a lane, one after the other, until it fails or others have their turn."""
        until, claimed = time.monotonic() + TURN, first
        try:
            while True:
                following = self._settle(claimed, tell(claimed.message))
                if following is None:
                    return
                if time.monotonic() > until:
                    now = self._clock()
                    self._queue.again(following, now, due=now)
                    return
                claimed = following
        finally:
            self._under_way[first.receiver] -= 1

    def _settle(self, claimed: Claimed, outcome: Outcome) -> Claimed | None:
        now, message = self._clock(), claimed.message
        match outcome:
            case Delivered(status):
                self._metric.labels("delivered").inc()
                return self._queue.delivered(claimed, now, status=status)
            case Needless():
                return self._queue.skipped(claimed, now)
            case Later(due):
                self._queue.again(claimed, now, due=due)
                return None
            case Failed(status, asked):
                due_again = retry_at(message, now, chance=self._chance(), asked=asked)
                told = {"kind": self._kind, "receiver": claimed.receiver, "message": message.id}
                told |= {"type": message.type, "status": status}
                if due_again is None:
                    self._metric.labels("dead").inc()
                    _log.error("message_dead", **told)
                    fresh = replace(message, tries=0, first=0)
                    return self._queue.died(claimed, now, after=fresh, status=status)
                self._metric.labels("failed").inc()
                _log.warning("message_not_delivered", tries=message.tries + 1, **told)
                after = replace(message, tries=message.tries + 1, first=message.first or now)
                self._queue.failed(claimed, now, due=due_again, after=after, status=status)
                return None
