"""What the public is told: how each channel does now, and how it did on each of the last 90 days."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from service.domain.channels import Channel
from service.domain.incidents import Impact, Incident

DAYS = 90
DAY = 86_400_000  # ms; days are UTC's

# Statuspage's words, worst last.
Condition = Literal["operational", "degraded_performance", "partial_outage", "major_outage"]


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one channel. `start` and `trouble` in ms; `impact` is the worst of the day."""

    start: int
    trouble: int
    impact: Impact | None


@dataclass(frozen=True, slots=True)
class Component:
    """One channel as users know it."""

    channel: Channel
    condition: Condition
    since: int
    days: Sequence[Day]

    @property
    def uptime(self) -> float:
        """Share of the days' time without trouble, 0 to 1."""
        return 1 - sum(day.trouble for day in self.days) / (len(self.days) * DAY)


def channels_of(incident: Incident) -> list[Channel]:
    """The channels that an incident was about."""
    words = [route.split("/")[1] for route in incident.affected]
    return [channel for channel in Channel if channel in words]


def days_of(channel: Channel, incidents: Iterable[Incident], now: int) -> list[Day]:
    """A channel's last `DAYS` days, oldest first, from the incidents that were about it."""
    about = [incident for incident in incidents if channel in channels_of(incident)]
    today = now // DAY * DAY
    days = []
    for start in range(today - (DAYS - 1) * DAY, today + DAY, DAY):
        spans = sorted(
            (max(start, i.opened_at), min(start + DAY, i.resolved_at or now), i.impact)
            for i in about
            if i.opened_at < start + DAY and (i.resolved_at or now) > start
        )
        trouble, until = 0, start
        for begins, ends, _ in spans:  # they may overlap
            trouble += max(0, ends - max(begins, until))
            until = max(until, ends)
        impacts = {impact for _, _, impact in spans}
        worst: Impact | None = "major" if "major" in impacts else "minor" if impacts else None
        days.append(Day(start, trouble, worst))
    return days


def worst_of(conditions: Iterable[Condition]) -> Condition:
    """The worst of some conditions."""
    order: tuple[Condition, ...] = ("operational", "degraded_performance", "partial_outage", "major_outage")
    return max(conditions, key=order.index, default="operational")
