"""Starting a challenge, in two round trips: load all that it depends on and count it, then store it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from service.domain.challenge import NOWHERE, Challenge, Entry, Subject
from service.domain.channels import DEFAULT_ORDER, PRIMARY_PROVIDER, TRAITS, Assurance, Channel
from service.domain.codes import RandomBytes
from service.domain.contacts import Email, Phone
from service.domain.drills import Drill
from service.domain.errors import RateLimited, StateConflict
from service.domain.events import challenge_event
from service.domain.failures import Reason, SendFailure
from service.domain.health.breaker import State
from service.domain.limits import ADDRESS, APPLICATION, USER, Limits, Standing, network_of
from service.domain.mode import Mode, effective
from service.domain.plan import build_plan, presentable
from service.domain.readiness import has_fallback
from service.domain.routes import route_name
from service.domain.toll_fraud import Served, block_of
from service.domain.user import User
from service.flows.cascade import Cascade, dead_end, rate_limited
from service.flows.gates import Gates
from service.flows.schedule import next_due
from service.store import keys
from service.store.challenges import ChallengeStore
from service.store.drills import DrillStore
from service.store.health import HealthStore, RouteState
from service.store.limits import Limit, LimitStore, Taken, take_command, taken
from service.store.modes import ModeStore
from service.store.redis import Store
from service.store.users import UserStore
from service.telemetry import metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a caller asks for. Contacts given here are used for this challenge instead of the kept ones.

    `to` is what the caller named in place of a user, and `challenge_id` what it was given before the start
    (`keys.new_challenge_id`), so that it could be noted; else one is made.
    """

    application: str
    user_id: str
    phone: Phone | None = None
    email: Email | None = None
    channels: Sequence[Channel] | None = None
    locale: str = "en"
    action: str | None = None
    client_ip: str | None = None
    metadata: Mapping[str, str] | None = None
    min_assurance: Assurance = "aal1"
    to: str | None = None
    challenge_id: str | None = None


class Started(NamedTuple):
    """A challenge, whom it is about, and where its caller stands with the limits.

    `barred`: the provider's code for why the recipient can't be reached, if it said so.
    """

    challenge: Challenge
    subject: Subject
    standings: Sequence[Standing] = ()
    barred: str | None = None


class _Loaded(NamedTuple):
    """What a start depends on."""

    user: User
    mode: Mode
    states: Mapping[str, RouteState]
    drill: Drill | None
    limits: Sequence[Limit]
    taken: Sequence[Taken]


class StartChallenge:
    """Starts challenges."""

    def __init__(
        self,
        store: Store,
        users: UserStore,
        modes: ModeStore,
        health: HealthStore,
        drills: DrillStore,
        challenges: ChallengeStore,
        cascade: Cascade,
        gates: Gates,
        rates: LimitStore,
        *,
        limits: Limits,
        served: Served,
        clock: Callable[[], int],
        random_bytes: RandomBytes,
        ttl: int,
        delivery_deadline: int,
    ) -> None:
        self._store = store
        self._users = users
        self._modes = modes
        self._health = health
        self._drills = drills
        self._challenges = challenges
        self._cascade = cascade
        self._gates = gates
        self._rates = rates
        self._limits = limits
        self._served = served
        self._clock = clock
        self._random_bytes = random_bytes
        self._ttl = ttl
        self._delivery_deadline = delivery_deadline

    def __call__(self, request: StartRequest) -> Started:
        """Start one; it may have ended in `failed` when it comes back.

        Raises:
            InvalidInput: the provider refuses the number as such; nothing was stored.
            RateLimited: there were too many by this address or application, or all that there would be is a
                message, and there were too many of those; nothing was stored.
            StoreUnavailable: Redis can't be reached.
        """
        began = time.monotonic()
        now = self._clock()
        origin = self._origin(request.client_ip)
        user, mode, states, drill, limits, counted = self._load(request, origin, now)
        standings = [one.standing for one in counted]
        over = [one for one in counted if not one.granted]
        if refused := next((one for one in over if one.standing.name != USER), None):
            self._rates.give_back(limits, counted, now)
            raise _limited(refused, standings)
        channels = request.channels or DEFAULT_ORDER
        refusals = self._refusals(user, channels, limited=bool(over))
        challenge_id = request.challenge_id or keys.new_challenge_id(user.key, self._random_bytes(16))
        country = user.phone.calling_code if user.phone else NOWHERE
        entries = build_plan(
            user,
            requested=request.channels,
            configured=self._cascade.configured,
            min_assurance=request.min_assurance,
            mode=mode,
            gates=self._gates.of(states, channels, country, challenge_id) if states else {},
            refused=refusals,
        )
        if over and not any(entry.state in ("waiting", "ready") for entry in entries):
            self._rates.give_back(limits, counted, now)
            raise _limited(over[0], standings)
        drilled, spared = _part_in(drill, user, country, entries, now)
        subject = Subject(
            request.user_id,
            user.phone,
            user.email,
            request.action,
            request.client_ip,
            dict(request.metadata) if request.metadata else None,
            request.to,
        )
        planned = Challenge(
            id=challenge_id,
            application=request.application,
            user=user.key,
            sealed=self._challenges.seal(challenge_id, subject),
            country=country,
            locale=request.locale,
            min_assurance=request.min_assurance,
            status="pending",
            entries=entries,
            created_at=now,
            expires_at=now + self._ttl,
            max_attempts=self._limits.attempts,
            no_fallback=not has_fallback(user),
            drill=drilled.id if drilled else None,
            block=self._users.block_key(block_of(user.phone)) if user.phone else None,
            origin=origin,
        )
        trouble: Mapping[str, State] = {}
        if states and mode is Mode.AUTO:
            planned_routes = {route_name(e.channel, country) for e in entries if e.state == "waiting"}
            trouble = {n: s for n, s in self._gates.trouble(states).items() if n not in planned_routes}
        walk = self._cascade.begin(planned, subject, now, trouble=trouble, drill=drilled)
        ready = self._cascade.advance(walk, entries, None)
        held_up = walk.limited if not ready else None
        if held_up is not None and not walk.down:
            raise self._held_up(held_up)
        challenge, events = walk.challenge, walk.events
        if ready:
            shown = presentable(challenge.entries, requested=request.channels is not None)
            challenge = replace(challenge, entries=shown)
        told: dict[str, object] = {"took": int((time.monotonic() - began) * 1000)}
        if spared is not None:
            told |= {"drill": spared.id, "spared": True}
        events.insert(0, challenge_event("created", challenge, now, **told))
        if not ready:
            challenge, failed = dead_end(challenge, now)
            events.append(failed)
        due_at = next_due(challenge, self._clock(), self._delivery_deadline)
        if not self._challenges.save(challenge, events, now=now, due_at=due_at):
            raise StateConflict("A challenge with this id exists.")  # 128 random bits came twice
        if held_up is not None:  # it was stored, so that health hears of the provider's faults
            raise self._held_up(held_up)
        metrics.of(metrics.CHALLENGES, challenge.status).inc()
        if drilled is None:
            metrics.START_SECONDS.observe(time.monotonic() - began)
        return Started(challenge.next_version(), subject, standings, walk.barred)

    def _held_up(self, failure: SendFailure) -> RateLimited:
        error = rate_limited(failure)
        metrics.RATE_LIMITED.labels(error.extra["limit"]).inc()
        return error

    def _origin(self, client_ip: str | None) -> str | None:
        return self._users.origin_key(network_of(client_ip)) if client_ip is not None else None

    def _refusals(self, user: User, channels: Sequence[Channel], *, limited: bool) -> dict[Channel, Reason]:
        """Of these channels, those by which this user is not to be sent anything."""
        refused: dict[Channel, Reason] = {}
        to_phone = [channel for channel in channels if TRAITS[channel].contact == "phone"]
        if user.phone is not None and to_phone and not self._served.takes(user.phone):
            refused = dict.fromkeys(to_phone, Reason.NOT_ALLOWED)
        if limited:
            for channel in channels:
                if TRAITS[channel].delivered:
                    refused.setdefault(channel, Reason.RATE_LIMITED)
        return refused

    def _load(self, request: StartRequest, origin: str | None, now: int) -> _Loaded:
        user_key = self._users.key(request.application, request.user_id)
        limits = self._limits_of(request.application, user_key, origin)
        raw_user, raw_modes, raw_health, raw_drill, *counts = self._store.batch(
            [
                self._users.load_command(user_key),
                self._modes.load_command(),
                self._health.load_command(),
                self._drills.load_command(),
                *(take_command(limit, now) for limit in limits),
            ]
        )
        if raw_user:
            user = self._users.decode(user_key, raw_user)
        else:
            user = self._users.absent(user_key, request.application, request.user_id)
        user = replace(user, phone=request.phone or user.phone, email=request.email or user.email)
        setting = effective(
            self._modes.decode(raw_modes),
            request.application,
            user.phone.calling_code if user.phone else None,
            now,
        )
        return _Loaded(
            user,
            setting.mode if setting else Mode.AUTO,
            self._health.decode(raw_health),
            self._drills.decode(raw_drill),
            limits,
            [taken(limit, count) for limit, count in zip(limits, counts, strict=True)],
        )

    def _limits_of(self, application: str, user_key: str, origin: str | None) -> list[Limit]:
        asked = (
            (ADDRESS, origin, self._limits.address),
            (APPLICATION, self._users.application_key(application), self._limits.application),
            (USER, user_key, self._limits.user),
        )
        return [Limit(name, whose, rate) for name, whose, rate in asked if whose and rate]


def _limited(refused: Taken, standings: Sequence[Standing]) -> RateLimited:
    metrics.RATE_LIMITED.labels(refused.standing.name).inc()
    return RateLimited(standings, wait=max(1, refused.wait), limit=refused.standing.name)


def _part_in(
    drill: Drill | None, user: User, country: str, entries: Sequence[Entry], now: int
) -> tuple[Drill | None, Drill | None]:
    """The drill that a new challenge takes part in, and the one that it is spared."""
    if drill is None or not drill.takes(user.key, user.application, country, now):
        return None, None
    usable = [entry.channel for entry in entries if entry.state in ("waiting", "ready")]
    if not any(TRAITS[channel].provider == PRIMARY_PROVIDER for channel in usable):
        return None, None  # it would send nothing by the provider anyway
    alone = all(TRAITS[channel].provider == PRIMARY_PROVIDER for channel in usable)
    if alone and drill.spare:
        # One whom only the caller's choice of channels leaves nothing else is neither drilled nor told of.
        return None, None if has_fallback(user) else drill
    return drill, None
