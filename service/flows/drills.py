"""Rehearsing an outage: start it, watch over it, end it, say what came of it."""

from collections.abc import Callable, Sequence

from msgspec.structs import replace

from service.domain.audit import AuditEntry, Who
from service.domain.channels import PRIMARY_PROVIDER
from service.domain.codes import RandomBytes
from service.domain.drills import Drill, EndedBy, Kind, Tally
from service.domain.errors import DrillRefused, NotFound, StateConflict
from service.domain.events import Event
from service.domain.routes import CHECK_ROUTE
from service.domain.user import User
from service.store.drills import KEPT, DrillStore
from service.store.health import HealthStore
from service.store.users import UserStore
from service.telemetry import logs

_TRIES = 3
_log = logs.get("drills")


class RunDrills:
    """Starts and ends drills. Every start of a challenge reads the one that runs: a change holds at once."""

    def __init__(
        self,
        drills: DrillStore,
        users: UserStore,
        health: HealthStore,
        *,
        clock: Callable[[], int],
        random_bytes: RandomBytes,
    ) -> None:
        self._drills = drills
        self._users = users
        self._health = health
        self._clock = clock
        self._random_bytes = random_bytes

    def start(
        self,
        kind: Kind,
        *,
        share: float,
        user_ids: Sequence[str],
        country: str | None,
        application: str | None,
        duration: int,
        spare: bool,
        max_stuck: int,
        reason: str,
        who: Who,
        default_application: str,
    ) -> Drill:
        """Let one run from now on.

        Args:
            kind: what is simulated.
            share: of the users, 0 to 1; of named ones, all.
            user_ids: the only users who take part; empty: everybody may.
            country: calling code; users from there alone take part.
            application: whose users alone take part.
            duration: seconds.
            spare: send the real message to users who have nothing else.
            max_stuck: users not getting in, beyond which it is stopped.
            reason: for the audit trail.
            who: starts it.
            default_application: whose users the named ones are, where no application is given.

        Raises:
            DrillRefused: another one runs, or the provider is in trouble for real.
        """
        _, _, watched_over = self._health.overview()
        if not watched_over:
            raise DrillRefused("No worker decides: nobody would watch over it.")
        trouble = self._trouble(country)
        if trouble:
            raise DrillRefused(f"No drill during an outage: {', '.join(trouble)} can't send.")
        now = self._clock()
        before = self._drills.running()
        if before is not None and not before.runs(now):
            self._end(before, "time", None)
        named = tuple(self._users.key(application or default_application, user_id) for user_id in user_ids)
        drill = Drill(
            id=f"dr_{self._random_bytes(9).hex()}",
            kind=kind,
            share=1.0 if named else share,
            users=named,
            country=country,
            application=application or (default_application if named else None),
            reason=reason,
            started_by=who.actor,
            started_at=now,
            ends_at=now + duration * 1000,
            spare=spare,
            max_stuck=max_stuck,
            version=now,  # of no other drill
        )
        entry = AuditEntry(
            at=now,
            actor=who.actor,
            origin=who.origin,
            action="drill.start",
            target=drill.id,
            reason=reason,
            after={
                "kind": kind,
                "share": drill.share,
                "users": len(named) or None,
                "country": country,
                "application": drill.application,
                "duration": duration,
                "spare": spare,
                "max_stuck": max_stuck,
            },
        )
        told = {
            "id": drill.id,
            "kind": kind,
            "share": drill.share,
            "country": country,
            "ends_at": drill.ends_at,
        }
        if not self._drills.start(drill, entry, Event("drill.started", now, told)):
            raise DrillRefused("Another drill is running.")
        _log.warning("drill_started", drill=drill.id, kind=kind, share=drill.share, country=country)
        return drill

    def stop(self, drill_id: str, who: Who, reason: str | None) -> Drill:
        """End one before its time; one that is over stays as it is.

        Raises:
            NotFound: there is none.
        """
        for _ in range(_TRIES):
            drill, _tally = self.get(drill_id)
            if not drill.runs(self._clock()):
                return drill
            entry = AuditEntry(
                at=self._clock(),
                actor=who.actor,
                origin=who.origin,
                action="drill.stop",
                target=drill.id,
                reason=reason,
            )
            self._end(drill, "operator", entry)
        raise StateConflict("Others kept changing this drill.", retry_after=1)

    def running(self) -> Drill | None:
        """The one that has an effect now."""
        drill = self._drills.running()
        return drill if drill is not None and drill.runs(self._clock()) else None

    def all(self) -> list[tuple[Drill, Tally]]:
        """Every drill that is kept, newest first, as it stands now."""
        return [(self._as_it_is(drill), tally) for drill, tally in self._drills.all()]

    def get(self, drill_id: str) -> tuple[Drill, Tally]:
        """One of them. Raises `NotFound`."""
        for drill, tally in self.all():
            if drill.id == drill_id:
                return drill, tally
        raise NotFound("drill")

    def without(self, tally: Tally, limit: int) -> Sequence[User]:
        """Users who had nowhere to go, as far as they are kept here."""
        return self._users.by_keys(tally.without[:limit])

    def watch(self) -> None:
        """The worker's part, again and again: end what is over, and what does harm."""
        drill = self._drills.to_watch()
        if drill is None:
            return
        if not drill.runs(self._clock()):
            self._end(drill, "time", None)
        elif self._drills.tally(drill.id).stuck(self._clock()) > drill.max_stuck:
            self._end(drill, "safety", None)
        elif self._trouble(drill.country):
            self._end(drill, "outage", None)

    def _end(self, drill: Drill, by: EndedBy, entry: AuditEntry | None) -> None:
        now = self._clock()
        ended = replace(drill, ended_at=min(now, drill.ends_at), ended_by=by)
        told = {"id": drill.id, "kind": drill.kind, "stopped_by": None if by == "time" else by}
        if self._drills.end(ended, entry, Event("drill.finished", now, told)):
            level = _log.error if by in ("safety", "outage") else _log.warning
            level("drill_finished", drill=drill.id, kind=drill.kind, stopped_by=told["stopped_by"])
            self._drills.forget([old.id for old, _ in self._drills.all()[KEPT:] if old.ended_at])

    def _as_it_is(self, drill: Drill) -> Drill:
        if drill.ended_at or drill.runs(self._clock()):
            return drill
        return replace(drill, ended_at=drill.ends_at, ended_by="time")

    def _trouble(self, country: str | None) -> list[str]:
        """The routes in trouble that a drill would meet: those of its country, or any."""
        states = self._health.states()
        return [
            name
            for name, state in sorted(states.items())
            if name.startswith(f"{PRIMARY_PROVIDER}/")
            and (state.state == "open" or (state.state == "half_open" and state.evidence.sends))
            and (country is None or name == CHECK_ROUTE or country in name.split("/"))
        ]
