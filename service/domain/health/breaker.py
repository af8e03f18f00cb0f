"""The breaker of one route: loud failures, probes, and the way back.

The states and words are resilience4j's and gobreaker's; times are seconds and come in as parameters. What
is silent is `silence.py`'s to say; here it is one more reason to open.
"""

import zlib
from typing import Literal

from msgspec import Struct

State = Literal["closed", "open", "half_open"]

STREAK = 5  # consecutive faults that open
RATIO = 0.20  # share of faults that opens, of at least
RATIO_SENDS = 20  # sends, within
WINDOW = 60.0  # seconds
FIRST_WAIT, LONGEST_WAIT = 15.0, 120.0  # seconds from open to half-open; doubles with each failed probing
FORGIVEN_AFTER = 300.0  # seconds closed after which the next wait is the first one again
GOOD_PROBES = 5  # close
MAX_PROBES = 10  # under way at once
SHARES = (0.1, 0.5, 1.0)  # of the traffic that returns after closing, step by step
RAMP_STEP = 20.0  # seconds a step takes
SETBACK_STREAK = 2  # consecutive faults that step back


class Second(Struct, array_like=True):
    """Sends of one second, failed ones among them."""

    at: int
    sends: int = 0
    faults: int = 0


class Breaker(Struct):
    """State, and the counts it is decided on. `wait` is how long the present or next opening lasts."""

    state: State = "closed"
    since: float = 0.0
    reason: str = ""
    streak: int = 0
    window: list[Second] = []
    wait: float = FIRST_WAIT
    good: int = 0
    step: int = len(SHARES) - 1
    step_since: float = 0.0

    def count(self, at: float, *, fault: bool) -> None:
        """A send, and whether it failed by the provider's fault."""
        self.streak = self.streak + 1 if fault else 0
        second = int(at)
        if not self.window or self.window[-1].at != second:
            self.window.append(Second(second))
            while self.window[0].at <= at - WINDOW:
                self.window.pop(0)
        self.window[-1].sends += 1
        self.window[-1].faults += fault

    def ratio(self, at: float) -> tuple[int, int]:
        """Sends and faults of the last `WINDOW` seconds."""
        recent = [second for second in self.window if second.at > at - WINDOW]
        return sum(s.sends for s in recent), sum(s.faults for s in recent)

    def loud(self, at: float, *, warned: bool) -> str | None:
        """Why the counts say that the route is down, or `None`. A warning from outside lowers the bars."""
        if self.streak >= (STREAK - 2 if warned else STREAK):
            return "consecutive_faults"
        if self.streak == 0:
            return None  # only a fault can tip the ratio
        sends, faults = self.ratio(at)
        if sends >= (RATIO_SENDS // 2 if warned else RATIO_SENDS) and faults >= RATIO * sends:
            return "fault_ratio"
        return None

    def open(self, at: float, reason: str) -> None:
        """Nothing is sent until half-open."""
        if self.state == "half_open":
            self.wait = min(LONGEST_WAIT, self.wait * 2)
        elif at - self.since > FORGIVEN_AFTER or self.since == 0.0:
            self.wait = FIRST_WAIT
        else:
            self.wait = min(LONGEST_WAIT, self.wait * 2)
        self._become("open", at, reason)

    def half_open(self, at: float) -> None:
        """Probes may be sent."""
        self._become("half_open", at, self.reason)

    def close(self, at: float, reason: str) -> None:
        """Traffic returns, by the ramp."""
        self._become("closed", at, reason)
        self.step, self.step_since = 0, at

    def half_open_at(self) -> float | None:
        """When an open route becomes half-open."""
        return self.since + self.wait if self.state == "open" else None

    def climb(self, at: float) -> None:
        """Take the ramp's next steps when their time has come."""
        while self.step < len(SHARES) - 1 and at >= self.step_since + RAMP_STEP:
            self.step += 1
            self.step_since += RAMP_STEP

    def setback(self, at: float) -> bool:
        """A sign of trouble on the ramp: one step down. Returns whether there was a step to go."""
        self.step_since, self.streak = at, 0
        if self.step == 0:
            return False
        self.step -= 1
        return True

    @property
    def share(self) -> float:
        """The share of sends that a closed route takes."""
        return SHARES[self.step]

    @property
    def recovering(self) -> bool:
        """Whether it is on the ramp."""
        return self.state == "closed" and self.step < len(SHARES) - 1

    def _become(self, state: State, at: float, reason: str) -> None:
        self.state, self.since, self.reason = state, at, reason
        self.streak, self.good, self.window = 0, 0, []
        self.step, self.step_since = len(SHARES) - 1, at


def within_share(share: float, send_id: str) -> bool:
    """Whether a send is among a share of all; the same answer wherever it is asked."""
    return share >= 1.0 or zlib.crc32(send_id.encode()) % 1000 < share * 1000
