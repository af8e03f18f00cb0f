"""What there is to beat: a plain CUSUM over matured sends (p0 the baseline, p1 0.35, threshold 14)."""

import math
from collections import deque

P0, P1, THRESHOLD, MATURITY = 0.75, 0.35, 14.0, 90.0
_APPROVED, _FAILED = math.log(P1 / P0), math.log((1 - P1) / (1 - P0))


class PlainCusum:
    """One route. Times in seconds."""

    def __init__(self) -> None:
        self.sum = 0.0
        self._sends: deque[list[float]] = deque()  # sent at, approved
        self._by_time: dict[float, list[float]] = {}

    def sent(self, at: float) -> None:
        send = [at, 0.0]
        self._sends.append(send)
        self._by_time[at] = send

    def approved(self, sent_at: float) -> None:
        if (send := self._by_time.get(sent_at)) is not None:
            send[1] = 1.0

    def advance(self, to: float) -> bool:
        """Whether it alarms; it begins anew then."""
        while self._sends and self._sends[0][0] + MATURITY <= to:
            at, approved = self._sends.popleft()
            del self._by_time[at]
            self.sum = max(0.0, self.sum + (_APPROVED if approved else _FAILED))
            if self.sum >= THRESHOLD:
                self.sum = 0.0
                return True
        return False
