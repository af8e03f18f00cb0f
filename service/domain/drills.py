"""Drills: rehearsed outages. Who takes part, what is simulated, and what came of it."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from msgspec import Struct, field

from service.domain.challenge import Challenge
from service.domain.channels import PRIMARY_PROVIDER, TRAITS, Channel
from service.domain.health.breaker import within_share

# Nothing is taken by the provider; half of the sends hang until the deadline; all are taken, none arrives.
Kind = Literal["outage", "brown_out", "silent"]
EndedBy = Literal["time", "operator", "safety", "outage"]
Simulation = Literal["fails", "hangs", "lost"]

BROWN_OUT_SHARE = 0.5  # of sends that hang
LONGEST_TIMES = 5000  # approvals whose time is kept
MOST_NAMED = 1000  # users whose names a report keeps
PATIENCE = 120_000  # ms after which a login that is not over counts as stuck


class Drill(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rehearsal. Times in ms; `version` counts its changes.

    Attributes:
        share: of the users, 0 to 1; each user is in it for the whole drill, or not at all.
        users: keyed hashes of the only users who take part; empty: everybody may.
        country: calling code; users from there alone take part.
        application: whose users alone take part.
        spare: a user who has nothing but the primary provider is sent the real message, and is only counted.
        max_stuck: with more users than that not getting in, it is stopped.
        ended_by: what ended it; unset while it runs.

    """

    id: str
    kind: Kind
    share: float = 1.0
    users: tuple[str, ...] = ()
    country: str | None = None
    application: str | None = None
    reason: str
    started_by: str
    started_at: int
    ends_at: int
    spare: bool = True
    max_stuck: int
    ended_at: int = 0
    ended_by: EndedBy | None = None
    version: int = 0  # 0: not kept yet, so what is kept always has one written, for `audited.lua`

    def runs(self, now: int) -> bool:
        """Whether it has an effect; nothing has to run for it to end."""
        return not self.ended_at and now < self.ends_at

    def takes(self, user: str, application: str, country: str, now: int) -> bool:
        """Whether a user's new challenge takes part."""
        return (
            self.runs(now)
            and self.application in (None, application)
            and self.country in (None, country)
            and (not self.users or user in self.users)
            and within_share(self.share, f"{self.id} {user}")
        )

    def simulation(self, challenge: Challenge, channel: Channel) -> Simulation | None:
        """What becomes of a challenge's send; `None`: it is made."""
        if challenge.drill != self.id or TRAITS[channel].provider != PRIMARY_PROVIDER:
            return None
        match self.kind:
            case "outage":
                return "fails"
            case "silent":
                return "lost"
            case "brown_out":
                hangs = within_share(BROWN_OUT_SHARE, f"{challenge.id} {challenge.sends}")
                return "hangs" if hangs else None


class Tally(Struct, kw_only=True):
    """What came of a drill's challenges so far, counted from the outbox.

    Attributes:
        challenges: that took part.
        switched: of those, the ones that moved to another channel.
        approved: by the channel that did.
        ended: the others that are over, by status.
        spared: users with nothing but the primary provider, who were sent the real message.
        times: ms from start to approval.
        without: keyed hashes of the users who had nowhere to go.
        under_way: challenges that are not over: since when, and whether they switched.

    """

    challenges: int = 0
    switched: int = 0
    approved: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    spared: int = 0
    times: list[int] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    under_way: dict[str, tuple[int, bool]] = field(default_factory=dict)

    def stuck(self, now: int) -> int:
        """Who did not get in, or does not by now; some of them would not have on any other day either."""
        waiting = sum(now - since > PATIENCE for since, _ in self.under_way.values())
        return waiting + sum(self.ended.values())

    def count(self, kind: str, at: int, data: Mapping[str, Any]) -> None:
        """Count one event of a challenge that takes part, or was spared."""
        challenge_id = data["id"]
        match kind:
            case "challenge.created":
                if data.get("spared"):
                    self.spared += self._is_new(data["user"])
                    return
                self.challenges += 1
                self.under_way[challenge_id] = (at, False)
            case "challenge.switched":
                since, switched = self.under_way.get(challenge_id, (0, True))
                if not switched:
                    self.under_way[challenge_id] = (since, True)
                    self.switched += 1
            case "challenge.approved" if self.under_way.pop(challenge_id, None) is not None:
                channel = data["approved_by"]
                self.approved[channel] = self.approved.get(channel, 0) + 1
                if len(self.times) < LONGEST_TIMES:
                    self.times.append(max(0, at - data["started_at"]))
            case "challenge.failed" | "challenge.expired" | "challenge.locked" | "challenge.canceled":
                if self.under_way.pop(challenge_id, None) is not None:
                    status = kind.removeprefix("challenge.")
                    self.ended[status] = self.ended.get(status, 0) + 1
                    if status == "failed":
                        self._is_new(data["user"])

    def _is_new(self, user: str) -> bool:
        """Name a user without another way; whether that was not done before."""
        if user in self.without:
            return False
        if len(self.without) < MOST_NAMED:
            self.without.append(user)
        return True


class Report(NamedTuple):
    """A tally in the words of its readers. Times in ms.

    Attributes:
        got_in: approved challenges; share: of those that are over.
        pending: not over.

    """

    challenges: int
    switched: int
    got_in: int
    share: float | None
    approved_by: Mapping[str, int]
    failed: int
    expired: int
    locked: int
    canceled: int
    pending: int
    nowhere_to_go: int
    median_time: int | None
    slow_time: int | None


def report(tally: Tally) -> Report:
    """Sum a tally up; `slow_time` is the 95th percentile."""
    got_in, times = sum(tally.approved.values()), sorted(tally.times)
    over = got_in + sum(tally.ended.values())
    return Report(
        challenges=tally.challenges,
        switched=tally.switched,
        got_in=got_in,
        share=round(got_in / over, 4) if over else None,
        approved_by=tally.approved,
        failed=tally.ended.get("failed", 0),
        expired=tally.ended.get("expired", 0),
        locked=tally.ended.get("locked", 0),
        canceled=tally.ended.get("canceled", 0),
        pending=len(tally.under_way),
        nowhere_to_go=tally.spared + tally.ended.get("failed", 0),
        median_time=times[len(times) // 2] if times else None,
        slow_time=times[min(len(times) - 1, len(times) * 95 // 100)] if times else None,
    )
