"""What every process has, commands among them: settings, the store, the data keys, and what needs no more."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.domain.api_keys import Scope
from service.domain.codes import RandomBytes
from service.domain.master_keys import parse_master_keys
from service.flows.audit import Audit
from service.flows.drills import RunDrills
from service.flows.enroll import Enroll
from service.flows.incidents import TrackIncidents
from service.flows.mode import SetMode
from service.flows.readiness import ReadReadiness
from service.flows.toll_fraud import WatchTollFraud
from service.flows.unlock import UnlockUser
from service.flows.webhooks import ManageWebhooks
from service.master_keys import given_master_keys
from service.providers.alerts import AlertTarget, parse_targets
from service.providers.webhook import WebhookClient
from service.settings import Settings, SettingsError
from service.store.api_keys import ApiKeyStore
from service.store.audit import AuditStore
from service.store.blocks import BlockStore
from service.store.drills import DrillStore
from service.store.enrollments import EnrollmentStore
from service.store.failures import FailureStore
from service.store.health import HealthStore
from service.store.hook_queue import HookQueue
from service.store.incidents import IncidentStore
from service.store.keyring import Keyring, load_keyring
from service.store.keys import keyed_hash
from service.store.migrations.progress import Progress
from service.store.modes import ModeStore
from service.store.readiness import ReadinessStore
from service.store.redis import Store, connect
from service.store.schema import Schema
from service.store.sealing import Sealer
from service.store.signing import SigningStore
from service.store.users import UserStore
from service.store.webhooks import WebhookStore

if TYPE_CHECKING:
    from service.flows.signing import RotateSigningKey

DEFAULT_APPLICATION = "default"


def clock() -> int:
    """The time now, ms since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Core:
    """What every process has: settings, the store and the data keys."""

    settings: Settings
    store: Store
    sealer: Sealer
    keyring: Keyring
    clock: Callable[[], int]
    random_bytes: RandomBytes

    @property
    def api_keys(self) -> ApiKeyStore:
        """API keys."""
        return ApiKeyStore(self.store, self.keyring.names)

    @property
    def mode(self) -> SetMode:
        """The operators' switch."""
        return SetMode(ModeStore(self.store), self._audit_store, clock=self.clock)

    @property
    def audit(self) -> Audit:
        """The audit trail."""
        return Audit(self._audit_store, key=self.keyring.names, clock=self.clock)

    @property
    def incidents(self) -> TrackIncidents:
        """Recorded outages."""
        return TrackIncidents(self.incident_store, self.health, clock=self.clock)

    @property
    def users(self) -> UserStore:
        """The users' records."""
        return UserStore(self.store, self.sealer, self.keyring.names)

    @property
    def enroll(self) -> Enroll:
        """What users have enrolled."""
        return Enroll(
            self.users,
            EnrollmentStore(self.store, self.sealer),
            codes_key=self.keyring.codes,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @property
    def health(self) -> HealthStore:
        """The states of the routes."""
        return HealthStore(self.store)

    @property
    def failures(self) -> FailureStore:
        """Wrong codes in a row."""
        return FailureStore(self.store)

    @property
    def unlock(self) -> UnlockUser:
        """An operator lets somebody begin anew."""
        return UnlockUser(self.failures, self.users, self.audit, clock=self.clock)

    @property
    def toll_fraud(self) -> WatchTollFraud:
        """Blocks of numbers that nothing is sent to."""
        return WatchTollFraud(BlockStore(self.store), self.audit, clock=self.clock)

    @property
    def readiness(self) -> ReadReadiness:
        """Who would get in if the primary provider died now."""
        return ReadReadiness(ReadinessStore(self.store), self.users)

    @property
    def webhooks(self) -> ManageWebhooks:
        """Who is told of events."""
        return ManageWebhooks(
            self.webhook_store,
            HookQueue(self.store),
            self.webhook_client,
            clock=self.clock,
            random_bytes=self.random_bytes,
        )

    @property
    def webhook_store(self) -> WebhookStore:
        """Where they are kept."""
        return WebhookStore(self.store, self._audit_store, self.sealer)

    @property
    def webhook_client(self) -> WebhookClient:
        """What posts to them."""
        return WebhookClient(
            self.settings.allowed_private_hooks, https_only=self.settings.env == "production"
        )

    @property
    def alert_targets(self) -> Mapping[str, AlertTarget]:
        """Where alerts go, by the names that their queues have."""
        urls = self.settings.alert_urls
        targets = parse_targets(urls.get_secret_value()) if urls else ()
        return {f"alert_{keyed_hash(self.keyring.names, 'alert', target.url)}": target for target in targets}

    @property
    def drill_store(self) -> DrillStore:
        """Where drills are kept."""
        return DrillStore(self.store, self._audit_store)

    @property
    def drills(self) -> RunDrills:
        """Rehearsed outages."""
        return RunDrills(
            self.drill_store, self.users, self.health, clock=self.clock, random_bytes=self.random_bytes
        )

    @property
    def incident_store(self) -> IncidentStore:
        """Where they are kept."""
        return IncidentStore(self.store, self._audit_store)

    @property
    def signing(self) -> SigningStore:
        """The keys that sign proofs."""
        return SigningStore(self.store, self._audit_store, self.sealer, self.keyring.proofs)

    @property
    def rotate_signing_key(self) -> "RotateSigningKey":
        """A new one of them."""
        from service.flows.signing import RotateSigningKey  # noqa: PLC0415 - a library that few commands need

        return RotateSigningKey(self.signing, clock=self.clock, random_bytes=self.random_bytes)

    @property
    def _audit_store(self) -> AuditStore:
        return AuditStore(self.store, self.keyring.names)


def _unseen(steps: Iterator[Progress]) -> None:
    for _ in steps:
        pass


def build_core(
    settings: Settings,
    *,
    clock: Callable[[], int] = clock,
    random_bytes: RandomBytes = secrets.token_bytes,
    upgrade: Callable[[Iterator[Progress]], None] = _unseen,
) -> Core:
    """Connect, load the data keys, and bring an older state up.

    Args:
        settings: with nothing left unset that `serve` fills in.
        clock: ms since the epoch.
        random_bytes: a source fit for secrets.
        upgrade: goes through the parts of bringing the state up, to show how far it is.

    Raises:
        SettingsError: `REDIS_URL` or `OTP_MASTER_KEYS` is unset.
        StoreUnavailable: Redis can't be reached.
        SchemaUnknown: the state is of a newer version.
        KeyUnusable: the data keys are sealed under a master key that is not configured.
    """
    store, sealer = open_store(settings, random_bytes)
    schema = Schema(store)
    schema.begin()
    keyring = load_keyring(store, sealer, random_bytes)
    upgrade(schema.bring_up(sealer))
    return Core(settings, store, sealer, keyring, clock, random_bytes)


def open_store(settings: Settings, random_bytes: RandomBytes = secrets.token_bytes) -> tuple[Store, Sealer]:
    """The store and what opens its records, though there may be nothing in it.

    Raises:
        SettingsError: `REDIS_URL` or `OTP_MASTER_KEYS` is unset, or the keys can't be had.
    """
    keys = given_master_keys(settings)
    if settings.redis_url is None or keys is None:
        raise SettingsError("REDIS_URL and OTP_MASTER_KEYS must be set")
    store = connect(settings.redis_url.get_secret_value(), strict=settings.durability == "strict")
    return store, Sealer(parse_master_keys(keys), random_bytes)


def bootstrap_keys(
    settings: Settings, *, upgrade: Callable[[Iterator[Progress]], None] = _unseen, invent: bool = True
) -> str | None:
    """Admit `OTP_BOOTSTRAP_API_KEY`, or make a first key where there is none.

    Args:
        settings: as for `build_core`, and what shows how far the state is brought up, too.
        upgrade: likewise.
        invent: make a first key; without it none is made that was not given.

    Returns:
        The key that was made now, to be shown once; `None` otherwise.
    """
    core = build_core(settings, upgrade=upgrade)
    api_keys, scopes = core.api_keys, frozenset(Scope)
    given = settings.bootstrap_api_key
    if given is None and (not invent or api_keys.all()):
        return None
    _, secret = api_keys.create(
        name="bootstrap" if given else "first",
        application=DEFAULT_APPLICATION,
        scopes=scopes,
        now=core.clock(),
        random_bytes=core.random_bytes,
        secret=given.get_secret_value() if given else None,
    )
    return None if given else secret
