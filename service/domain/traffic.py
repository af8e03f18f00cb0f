"""Traffic: what happened in each minute, for the operators' charts. Rehearsed challenges are left out."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from msgspec import Struct, field

from service.domain.routes import watched

MINUTE = 60_000  # ms
OPEN_MINUTES = 15  # that may still change: a code may come back as long as its challenge lives
# Upper bounds of the classes of how long a start took, ms; the last class has none.
LATENCIES = (5, 10, 20, 35, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000, 4000)


class Minute(Struct, omit_defaults=True):
    """One minute.

    Attributes:
        started: challenges.
        approved: challenges, by the channel that did.
        switched: switches by reason.
        ended: challenges that ended otherwise, by status.
        sent: messages that health watches and the provider took in this minute.
        converted: those of them whose code came back.
        failed: sends that failed.
        took: starts by class of latency.

    """

    started: int = field(name="s", default=0)
    approved: dict[str, int] = field(name="a", default_factory=dict)
    switched: dict[str, int] = field(name="w", default_factory=dict)
    ended: dict[str, int] = field(name="e", default_factory=dict)
    sent: int = field(name="o", default=0)
    converted: int = field(name="c", default=0)
    failed: int = field(name="f", default=0)
    took: dict[int, int] = field(name="t", default_factory=dict)

    def add(self, other: "Minute") -> None:
        """Count another one in."""
        self.started += other.started
        self.sent += other.sent
        self.converted += other.converted
        self.failed += other.failed
        for mine, theirs in (
            (self.approved, other.approved),
            (self.switched, other.switched),
            (self.ended, other.ended),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        for index, count in other.took.items():
            self.took[index] = self.took.get(index, 0) + count

    def latency(self, share: float) -> float | None:
        """The time, ms, within which a share of the starts was answered; `None` without starts."""
        return _quantile(self.took, share)


class Traffic(Struct):
    """The minutes that may still change, by their number since the epoch, and which changed."""

    minutes: dict[int, Minute] = {}
    changed: set[int] = set()

    def count(self, kind: str, at: int, data: Mapping[str, Any], *, now: int) -> None:
        """Count one event; what a clock that runs ahead says is of the future, is of now."""
        at = min(at, now)
        if data.get("drill") and not data.get("spared"):
            return
        match kind:
            case "challenge.created":
                minute = self._at(at, now)
                minute.started += 1
                if (took := data.get("took")) is not None:
                    index = next((i for i, bound in enumerate(LATENCIES) if took <= bound), len(LATENCIES))
                    _more(minute.took, index)
            case "challenge.sent" if watched(data["channel"]):
                self._at(min(data["sent_at"], now), now).sent += 1
            case "challenge.send_failed":
                self._at(at, now).failed += 1
            case "challenge.switched":
                _more(self._at(at, now).switched, data["reason"])
            case "challenge.approved":
                channel = data["approved_by"]
                _more(self._at(at, now).approved, channel)
                if (send := (data.get("sends") or {}).get(channel)) and watched(channel):
                    self._at(min(send[0], now), now).converted += 1
            case "challenge.failed" | "challenge.expired" | "challenge.locked" | "challenge.canceled":
                _more(self._at(at, now).ended, kind.removeprefix("challenge."))

    def settle(self, now: int) -> dict[int, Minute]:
        """The minutes that changed since the last time; those that can't any more are let go."""
        found = {number: self.minutes[number] for number in self.changed if number in self.minutes}
        self.changed = set()
        oldest = now // MINUTE - OPEN_MINUTES
        self.minutes = {number: minute for number, minute in self.minutes.items() if number > oldest}
        return found

    def _at(self, at: int, now: int) -> Minute:
        number = at // MINUTE
        if number <= now // MINUTE - OPEN_MINUTES:
            return Minute()  # too late: it was let go, and must not be written over
        self.changed.add(number)
        return self.minutes.setdefault(number, Minute())


def merged(minutes: Mapping[int, Minute], first: int, last: int, each: int) -> list[Minute]:
    """The minutes `first` to `last`, `each` of them taken together, empty ones too."""
    found = []
    for begin in range(first, last + 1, each):
        together = Minute()
        for number in range(begin, min(begin + each, last + 1)):
            if number in minutes:
                together.add(minutes[number])
        found.append(together)
    return found


def total(minutes: Iterable[Minute]) -> Minute:
    """All of them together."""
    together = Minute()
    for minute in minutes:
        together.add(minute)
    return together


def _more(counts: dict[Any, int], name: object) -> None:
    counts[name] = counts.get(name, 0) + 1


def _quantile(counts: Mapping[int, int], share: float) -> float | None:
    """By straight lines between the bounds of the classes; the last class counts as its lower bound."""
    wanted, below = share * sum(counts.values()), 0
    if not counts:
        return None
    for index, (low, high) in enumerate(pairwise((0, *LATENCIES))):
        inside = counts.get(index, 0)
        if inside and below + inside >= wanted:
            return low + (high - low) * (wanted - below) / inside
        below += inside
    return float(LATENCIES[-1])
