"""How long users take to type a code that arrived: the learned distribution of time to approval."""

import math

from msgspec import Struct

WIDTH = 3.0  # seconds a bin spans
HORIZON = 90.0  # seconds after which a send without approval has failed
BINS = int(HORIZON / WIDTH)
MEMORY = 2000.0  # approvals, effectively
FORGET = 1 / 64  # of what is known, each time that the memory is full
PRIOR_WEIGHT = 30.0  # approvals that the prior counts for
PRIOR_MEDIAN, PRIOR_SIGMA = (
    20.0,
    0.8,
)  # log-normal, seconds; slower than most: patient


def _prior() -> list[float]:
    def cdf(seconds: float) -> float:
        if seconds <= 0:
            return 0.0
        return 0.5 * (1 + math.erf(math.log(seconds / PRIOR_MEDIAN) / (PRIOR_SIGMA * math.sqrt(2))))

    whole = cdf(HORIZON)
    return [PRIOR_WEIGHT * (cdf((i + 1) * WIDTH) - cdf(i * WIDTH)) / whole for i in range(BINS)]


class Delays(Struct):
    """A histogram with exponential forgetting, from a log-normal prior."""

    counts: list[float] = []
    total: float = 0.0

    def __post_init__(self) -> None:
        if not self.counts:
            self.counts = _prior()
            self.total = sum(self.counts)

    def learn(self, seconds: float) -> None:
        """One approval, that long after its send."""
        if self.total >= MEMORY:
            # In steps, so that most approvals cost nothing.
            self.counts = [count * (1 - FORGET) for count in self.counts]
            self.total *= 1 - FORGET
        self.counts[min(BINS - 1, max(0, int(seconds / WIDTH)))] += 1
        self.total += 1

    def cdf(self) -> list[float]:
        """For each bin, the share of approvals that come before it begins."""
        shares, below = [], 0.0
        for count in self.counts:
            shares.append(below / self.total)
            below += count
        return shares
