"""Silent failure: sends are accepted, approvals fail to come.

A cumulative sum (CUSUM; Page, *Continuous inspection schemes*, Biometrika 1954) of log likelihood ratios over
sends in the order in which they were made, one sum for each alternative: the route's conversion has fallen
to a share lambda of its baseline, from some send on. It alarms when one of the sums reaches `THRESHOLD`.

Nobody waits for a send to mature. In the mixture cure model (Boag 1949; Farewell, Biometrics 1982) a send is
approved with probability p, and then after a delay with distribution F. So a send that is still open at
age a has likelihood 1 - p F(a), and its term of the sum is

    open at age a   log((1 - lambda p0 F(a)) / (1 - p0 F(a)))   nearly 0 when young, growing with age
    approved        log(lambda)
    failed          log((1 - lambda p0) / (1 - p0))              after 90 s, or when the user says so

A send whose user answered by another factor at age a is right-censored: it keeps the term of a send open at
that age, so that an outage is seen although every user got in. p0 is the cautious baseline and F the learned
delays; both are learned slowly, the baseline from matured sends only, a censored one being counted as
approved with the probability that it would have been, given its age (the E step of Dempster, Laird and
Rubin, J. R. Statist. Soc. B 1977).

Under the baseline each sum's exponential is a supermartingale, so that false alarms are rarer than one in
e**THRESHOLD sends a sum (Lorden, Ann. Math. Statist. 1971), and rarer still as p0 is cautious. With threshold
t, a loss down to lambda is found after about t / KL matured sends, KL the divergence of the two Bernoulli
rates: at a baseline of 75 %, 9 for a total loss and 35 for a half loss. `make lab` measures both, and what
the open sends save.
"""

import math
from collections.abc import Iterator

from msgspec import Struct

from service.domain.health.baseline import Baseline
from service.domain.health.delays import BINS, HORIZON, WIDTH, Delays

ALTERNATIVES = (0.05, 0.5)  # a total loss (nearly: some codes are guessed from an earlier send), a half loss
THRESHOLD = 11.0
TABLE_LIFE = 60.0  # seconds that the terms are reckoned with before they are made anew


class Cohort(Struct, array_like=True):
    """Sends of `WIDTH` seconds, by what became of them."""

    start: float
    open: int = 0
    approved: int = 0
    failed: int = 0
    censored: dict[int, int] = {}  # by age, in units of `WIDTH`


class Silence(Struct):
    """The test of one route. Times in seconds."""

    sums: list[float] = []
    cohorts: list[Cohort] = []

    def __post_init__(self) -> None:
        if not self.sums:
            self.sums = [0.0] * len(ALTERNATIVES)

    def sent(self, at: float) -> None:
        """A send was accepted."""
        start = at - at % WIDTH
        place = len(self.cohorts)
        while place > 0 and self.cohorts[place - 1].start > start:
            place -= 1  # told a little late, by another process
        if place == 0 or self.cohorts[place - 1].start != start:
            self.cohorts.insert(place, Cohort(start))
            place += 1
        self.cohorts[place - 1].open += 1

    def approved(self, sent_at: float) -> bool:
        """Its code came back. Returns whether the send was still being waited for."""
        cohort = self._cohort(sent_at)
        if cohort is None:
            return False
        cohort.open -= 1
        cohort.approved += 1
        return True

    def failed(self, sent_at: float) -> bool:
        """It is known not to have arrived."""
        cohort = self._cohort(sent_at)
        if cohort is None:
            return False
        cohort.open -= 1
        cohort.failed += 1
        return True

    def censored(self, sent_at: float, age: float | None) -> None:
        """The user answered otherwise, at an age (seconds); `None`: invited to, so that it tells nothing."""
        cohort = self._cohort(sent_at)
        if cohort is None:
            return
        cohort.open -= 1
        if age is not None and (bin_ := min(BINS - 1, int(age / WIDTH))) > 0:
            cohort.censored[bin_] = cohort.censored.get(bin_, 0) + 1

    def mature(self, now: float, terms: "Terms", baseline: Baseline) -> None:
        """Settle cohorts older than the horizon, and learn the baseline from them."""
        while self.cohorts and self.cohorts[0].start + WIDTH + HORIZON <= now:
            cohort = self.cohorts.pop(0)
            failed = cohort.failed + cohort.open
            for k, (approved_term, failed_term) in enumerate(terms.settled):
                term = cohort.approved * approved_term + failed * failed_term
                for age, count in cohort.censored.items():
                    term += count * terms.open[k][age]
                self.sums[k] = max(0.0, self.sums[k] + term)
            hoped = sum(count * terms.hope[age] for age, count in cohort.censored.items())
            lost = sum(cohort.censored.values()) - hoped
            baseline.learn(cohort.approved + hoped, failed + lost, now)

    def statistic(self, now: float, terms: "Terms") -> float:
        """The largest of the sums, open sends counted in."""
        largest = 0.0
        for k, matured in enumerate(self.sums):
            total = matured
            for _, term in self.terms_of_cohorts(now, terms, k):
                total += term
                if total < 0.0:  # noqa: PLR1730 - the hottest line of a replay
                    total = 0.0
            largest = max(largest, total)
        return largest

    def terms_of_cohorts(self, now: float, terms: "Terms", k: int) -> Iterator[tuple[float, float]]:
        """Each cohort's start and its term of one sum, oldest first."""
        (approved_term, failed_term), by_age = terms.settled[k], terms.open[k]
        for cohort in self.cohorts:
            term = cohort.approved * approved_term + cohort.failed * failed_term
            # The age of the youngest of the cohort, so that no send counts for more than it should.
            age = int((now - cohort.start) / WIDTH) - 1
            if cohort.open and age > 0:
                term += cohort.open * by_age[age if age < BINS else BINS - 1]
            if cohort.censored:
                for censored_at, count in cohort.censored.items():
                    term += count * by_age[censored_at]
            yield cohort.start, term

    def waiting(self) -> int:
        """Sends that are not answered yet."""
        return sum(cohort.open for cohort in self.cohorts)

    def clear(self) -> None:
        """Begin anew."""
        self.sums = [0.0] * len(ALTERNATIVES)
        self.cohorts = []

    def sample(self) -> tuple[int, int, int]:
        """Open, approved and failed sends of the last `HORIZON` seconds."""
        return (
            self.waiting(),
            sum(c.approved for c in self.cohorts),
            sum(c.failed for c in self.cohorts),
        )

    def _cohort(self, sent_at: float) -> Cohort | None:
        start = sent_at - sent_at % WIDTH
        for cohort in reversed(self.cohorts):
            if cohort.start == start:
                return cohort if cohort.open > 0 else None
            if cohort.start < start:
                break
        return None


class Terms:
    """The terms of the sums for a baseline and a distribution of delays, made once in a while."""

    def __init__(self, baseline: Baseline, delays: Delays) -> None:
        p0, cdf = baseline.cautious(), delays.cdf()
        self.settled = [(math.log(share), math.log((1 - share * p0) / (1 - p0))) for share in ALTERNATIVES]
        # The probability that a send without an answer at an age would have got one.
        p = baseline.estimate()
        self.hope = [p * (1 - f) / (1 - p * f) for f in cdf]
        self.open = [[math.log((1 - share * p0 * f) / (1 - p0 * f)) for f in cdf] for share in ALTERNATIVES]
