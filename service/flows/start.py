"""Starting a challenge, in two round trips: load the user, mode, routes' health and drill, then store."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from msgspec.structs import replace as struct_replace

from service.domain.challenge import MAX_ATTEMPTS, NOWHERE, Challenge, Entry, Subject
from service.domain.channels import DEFAULT_ORDER, PRIMARY_PROVIDER, TRAITS, Assurance, Channel
from service.domain.codes import RandomBytes
from service.domain.contacts import Email, Phone
from service.domain.drills import Drill
from service.domain.errors import StateConflict
from service.domain.events import challenge_event
from service.domain.health.breaker import State
from service.domain.mode import Mode, effective
from service.domain.plan import build_plan, presentable
from service.domain.readiness import has_fallback
from service.domain.routes import route_name
from service.domain.user import User
from service.flows.cascade import Cascade, dead_end
from service.flows.gates import Gates
from service.flows.schedule import next_due
from service.store import keys
from service.store.challenges import ChallengeStore
from service.store.drills import DrillStore
from service.store.health import HealthStore, RouteState
from service.store.modes import ModeStore
from service.store.redis import Store
from service.store.users import UserStore
from service.telemetry import metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a caller asks for. Contacts given here are used for this challenge instead of the kept ones."""

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
        *,
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
        self._clock = clock
        self._random_bytes = random_bytes
        self._ttl = ttl
        self._delivery_deadline = delivery_deadline

    def __call__(self, request: StartRequest) -> tuple[Challenge, Subject]:
        """Start one; it may have ended in `failed` when it comes back.

        Raises:
            InvalidInput: the provider refuses the number as such; nothing was stored.
            StoreUnavailable: Redis can't be reached.
        """
        began = time.monotonic()
        now = self._clock()
        user, mode, states, drill = self._load(request, now)
        challenge_id = keys.new_id("ch", user.key, self._random_bytes(16))
        country = user.phone.calling_code if user.phone else NOWHERE
        channels = request.channels or DEFAULT_ORDER
        entries = build_plan(
            user,
            requested=request.channels,
            configured=self._cascade.configured,
            min_assurance=request.min_assurance,
            mode=mode,
            gates=self._gates.of(states, channels, country, challenge_id) if states else {},
        )
        drilled, spared = _part_in(drill, user, country, entries, now)
        subject = Subject(
            request.user_id,
            user.phone,
            user.email,
            request.action,
            request.client_ip,
            dict(request.metadata) if request.metadata else None,
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
            max_attempts=MAX_ATTEMPTS,
            no_fallback=not has_fallback(user),
            drill=drilled.id if drilled else None,
        )
        trouble: Mapping[str, State] = {}
        if states and mode is Mode.AUTO:
            planned_routes = {route_name(e.channel, country) for e in entries if e.state == "waiting"}
            trouble = {n: s for n, s in self._gates.trouble(states).items() if n not in planned_routes}
        walk = self._cascade.begin(planned, subject, now, trouble=trouble, drill=drilled)
        ready = self._cascade.advance(walk, entries, None)
        challenge, events = walk.challenge, walk.events
        if ready:
            shown = presentable(challenge.entries, requested=request.channels is not None)
            challenge = struct_replace(challenge, entries=shown)
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
        metrics.CHALLENGES.labels(challenge.status).inc()
        if drilled is None:
            metrics.START_SECONDS.observe(time.monotonic() - began)
        return challenge.next_version(), subject

    def _load(
        self, request: StartRequest, now: int
    ) -> tuple[User, Mode, Mapping[str, RouteState], Drill | None]:
        user_key = self._users.key(request.application, request.user_id)
        raw_user, raw_modes, raw_health, raw_drill = self._store.batch(
            [
                self._users.load_command(user_key),
                self._modes.load_command(),
                self._health.load_command(),
                self._drills.load_command(),
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
        return (
            user,
            setting.mode if setting else Mode.AUTO,
            self._health.decode(raw_health),
            self._drills.decode(raw_drill),
        )


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
