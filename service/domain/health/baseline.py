"""What share of a route's sends is approved when all is well: learned slowly, so that drift is no alarm."""

import math

from msgspec import Struct

PRIOR = 0.70  # conversion of a route nobody has sent by yet
PRIOR_WEIGHT = 50.0  # sends that what is known from longer ago counts for
SLOW_MEMORY = 20_000.0  # sends
FAST_MEMORY = 3600.0  # sends
FAST_SECONDS = 3600.0  # and not older than about this: a day's drift is followed, an outage is not
Z = 2.0  # standard errors that the test's baseline stays below the estimate
MARGIN = 0.01
LOWEST, HIGHEST = 0.15, 0.97


class Baseline(Struct):
    """Two exponentially forgetting averages: of days, and on top of it of the last hour."""

    slow_sends: float = 0.0
    slow_approved: float = 0.0
    fast_sends: float = 0.0
    fast_approved: float = 0.0
    updated_at: float = 0.0

    def learn(self, approved: float, failed: float, at: float) -> None:
        """Matured sends: how many were approved, how many were not."""
        sends = approved + failed
        if sends <= 0:
            return
        elapsed = max(0.0, at - self.updated_at)
        fade = math.exp(-sends / FAST_MEMORY - min(elapsed, 10 * FAST_SECONDS) / FAST_SECONDS)
        self.fast_sends = self.fast_sends * fade + sends
        self.fast_approved = self.fast_approved * fade + approved
        slow = math.exp(-sends / SLOW_MEMORY)
        self.slow_sends = self.slow_sends * slow + sends
        self.slow_approved = self.slow_approved * slow + approved
        self.updated_at = at

    def estimate(self) -> float:
        """The conversion expected now."""
        return self._estimate()[0]

    def cautious(self) -> float:
        """The conversion that the test holds sends against: what it is at least, uncertainty counted in."""
        estimate, error = self._estimate()
        return min(HIGHEST, max(LOWEST, estimate - Z * error - MARGIN))

    def _estimate(self) -> tuple[float, float]:
        long_run = (PRIOR * PRIOR_WEIGHT + self.slow_approved) / (PRIOR_WEIGHT + self.slow_sends)
        weight = PRIOR_WEIGHT + self.fast_sends
        estimate = (long_run * PRIOR_WEIGHT + self.fast_approved) / weight
        return estimate, math.sqrt(max(estimate * (1 - estimate), 0.01) / weight)
