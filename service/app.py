"""The one place where the parts are put together."""

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from service.channels.base import DeliveryChannel
from service.channels.email.change import ChangeNotices
from service.channels.email.code import Email
from service.channels.email.letters import Letters
from service.channels.email.mailboxes import Mailboxes
from service.channels.phone import PhoneCodes
from service.channels.sms import Sms
from service.channels.voice import Voice
from service.channels.whatsapp import WhatsApp
from service.domain.api_keys import Scope
from service.domain.codes import RandomBytes
from service.domain.master_keys import parse_master_keys
from service.flows.alerts import SendAlerts
from service.flows.audit import Audit
from service.flows.backlog import MeasureBacklog
from service.flows.cascade import Cascade
from service.flows.change import ChangeChallenge
from service.flows.delivery_reports import HeedReports
from service.flows.drills import RunDrills
from service.flows.enroll import Enroll
from service.flows.gates import Gates
from service.flows.health import DecideHealth
from service.flows.incidents import TrackIncidents
from service.flows.links import Links
from service.flows.lookup import LookUp
from service.flows.mode import SetMode
from service.flows.notices import NotifyChanges
from service.flows.operators import SignIn
from service.flows.proofs import ProofSigner
from service.flows.public_status import PublicStatus
from service.flows.readiness import ReadReadiness
from service.flows.signing import RotateSigningKey
from service.flows.start import StartChallenge
from service.flows.status_feed import WatchStatusPage
from service.flows.toll_fraud import WatchTollFraud
from service.flows.traffic import ReadTraffic
from service.flows.unlock import UnlockUser
from service.flows.vendor import TellVendor
from service.flows.verifications import Verifications
from service.flows.verify import VerifyChallenge
from service.flows.wait import WaitForChange
from service.flows.watch import WatchEvents
from service.flows.webhooks import ManageWebhooks, TellWebhooks
from service.master_keys import given_master_keys
from service.providers.alerts import AlertTarget, parse_targets
from service.providers.smtp import SmtpMailer, SmtpServer
from service.providers.statuspage import StatusPage
from service.providers.twilio_verify import TwilioAccount, TwilioVerify
from service.providers.webhook import WebhookClient
from service.settings import Settings, SettingsError
from service.store.api_keys import ApiKeyStore
from service.store.audit import AuditStore
from service.store.blocks import BlockStore
from service.store.challenges import ChallengeStore
from service.store.changes import ChangeListener
from service.store.drills import DrillStore
from service.store.enrollments import EnrollmentStore
from service.store.failures import FailureStore
from service.store.health import HealthStore
from service.store.hook_queue import HookQueue
from service.store.idempotency import IdempotencyStore
from service.store.incidents import IncidentStore
from service.store.keyring import Keyring, load_keyring
from service.store.keys import keyed_hash
from service.store.limits import LimitStore
from service.store.links import LinkStore
from service.store.migrations.progress import Progress
from service.store.modes import ModeStore
from service.store.notices import NoticeStore
from service.store.numbers import NumberStore
from service.store.proofs import UsedProofs
from service.store.queues import QueueStore
from service.store.readiness import ReadinessStore
from service.store.redis import Store, connect
from service.store.schema import Schema
from service.store.sealing import Sealer
from service.store.sessions import SessionStore
from service.store.signing import SigningStore
from service.store.traffic import TrafficStore
from service.store.users import UserStore
from service.store.verifications import VerificationStore
from service.store.webhooks import WebhookStore

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
    def rotate_signing_key(self) -> RotateSigningKey:
        """A new one of them."""
        return RotateSigningKey(self.signing, clock=self.clock, random_bytes=self.random_bytes)

    @property
    def _audit_store(self) -> AuditStore:
        return AuditStore(self.store, self.keyring.names)


@dataclass(frozen=True, slots=True)
class Services:
    """What the edges call."""

    core: Core
    api_keys: ApiKeyStore
    idempotency: IdempotencyStore
    challenges: ChallengeStore
    start: StartChallenge
    verify: VerifyChallenge
    verifications: Verifications
    change: ChangeChallenge
    enroll: Enroll
    unlock: UnlockUser
    mode: SetMode
    audit: Audit
    incidents: TrackIncidents
    drills: RunDrills
    toll_fraud: WatchTollFraud
    public_status: PublicStatus
    readiness: ReadReadiness
    sign_in: SignIn
    watch: WatchEvents
    traffic: ReadTraffic
    look_up: LookUp
    proofs: ProofSigner
    links: Links
    wait: WaitForChange
    reports: HeedReports
    health: HealthStore
    decide_health: DecideHealth
    tell_vendor: TellVendor
    notify_changes: NotifyChanges
    webhooks: ManageWebhooks
    tell_webhooks: TellWebhooks
    alerts: SendAlerts
    status_page: WatchStatusPage | None
    measure_backlog: MeasureBacklog


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


def build(core: Core) -> Services:
    """Put the service together."""
    settings, store, limits = core.settings, core.store, core.settings.limits
    users = core.users
    api_keys = core.api_keys  # one cache for both doors
    signing = core.signing
    signing.recent()  # now, so that no approval has to wait for them, or fails for want of them
    challenges = ChallengeStore(store, core.sealer, users, limits.failures)
    phone_codes = _phone_codes(core, users)
    mailer = SmtpMailer(SmtpServer.parse(settings.smtp_url.get_secret_value())) if settings.smtp_url else None
    letters = Letters(mail_from=settings.mail_from, issuer=settings.issuer)
    channels: list[DeliveryChannel] = []  # a new one is registered here
    if phone_codes is not None:
        channels += [Sms(phone_codes), Voice(phone_codes), WhatsApp(phone_codes)]
    if mailer is not None:
        mailboxes = Mailboxes(LimitStore(store), users.address_key, each=limits.number, total=limits.mail)
        channels.append(Email(mailer, letters, mailboxes, codes_key=core.keyring.codes))
    cascade = Cascade({c.channel: c for c in channels}, send_deadline=settings.send_deadline, limits=limits)
    delivery_deadline = int(settings.delivery_deadline * 1000)
    health = core.health
    gates = Gates(health, clock=core.clock)
    decide_health = DecideHealth(health, clock=core.clock)
    change = ChangeChallenge(
        *(challenges, cascade, gates, core.drill_store),
        clock=core.clock,
        delivery_deadline=delivery_deadline,
        sends=limits.sends,
    )
    start = StartChallenge(
        store,
        users,
        ModeStore(store),
        health,
        core.drill_store,
        challenges,
        cascade,
        gates,
        LimitStore(store),
        limits=limits,
        served=settings.served,
        clock=core.clock,
        random_bytes=core.random_bytes,
        ttl=settings.challenge_ttl * 1000,
        delivery_deadline=delivery_deadline,
    )
    verify = VerifyChallenge(
        challenges,
        phone_codes,
        gates,
        codes_key=core.keyring.codes,
        clock=core.clock,
        check_deadline=settings.send_deadline,
        failures=limits.failures,
    )
    return Services(
        core=core,
        api_keys=api_keys,
        idempotency=IdempotencyStore(store, core.sealer, core.keyring.names),
        challenges=challenges,
        start=start,
        verify=verify,
        verifications=Verifications(
            *(users, VerificationStore(store), start, verify, change),
            clock=core.clock,
            random_bytes=core.random_bytes,
            ttl=settings.challenge_ttl * 1000,
            sends=limits.sends,
        ),
        change=change,
        enroll=core.enroll,
        unlock=core.unlock,
        mode=core.mode,
        audit=core.audit,
        incidents=core.incidents,
        drills=core.drills,
        toll_fraud=core.toll_fraud,
        readiness=core.readiness,
        sign_in=SignIn(
            SessionStore(store),
            api_keys,
            core.audit,
            key=core.keyring.names,
            clock=core.clock,
            random_bytes=core.random_bytes,
        ),
        watch=WatchEvents(health, threading.Event()),
        traffic=ReadTraffic(TrafficStore(store), clock=core.clock),
        look_up=LookUp(users, challenges),
        public_status=PublicStatus(
            health,
            ModeStore(store),
            core.incident_store,
            configured=cascade.configured,
            clock=core.clock,
        ),
        proofs=ProofSigner(
            signing,
            UsedProofs(store),
            issuer=settings.public_url or settings.issuer,
            clock=core.clock,
        ),
        links=Links(
            LinkStore(store, core.sealer),
            key=core.keyring.codes,
            user_key=users.key,
            return_urls=settings.allowed_return_urls,
            clock=core.clock,
            random_bytes=core.random_bytes,
        ),
        wait=WaitForChange(change, ChangeListener(store), clock=core.clock),
        reports=HeedReports(NumberStore(store), users, change, clock=core.clock),
        health=health,
        decide_health=decide_health,
        tell_vendor=TellVendor(challenges, phone_codes, gates, clock=core.clock),
        notify_changes=NotifyChanges(
            NoticeStore(store),
            users,
            ChangeNotices(mailer, letters) if mailer is not None and settings.change_notices else None,
            clock=core.clock,
        ),
        webhooks=core.webhooks,
        tell_webhooks=TellWebhooks(
            core.webhook_store,
            HookQueue(store),
            core.webhook_client,
            core.webhooks,
            clock=core.clock,
            chance=random.random,
        ),
        alerts=SendAlerts(
            core.alert_targets,
            HookQueue(store),
            core.incidents,
            core.mode,
            runbooks=settings.runbook_url,
            clock=core.clock,
            chance=random.random,
        ),
        status_page=WatchStatusPage(StatusPage(settings.status_url), health, decide_health, clock=core.clock)
        if settings.status_url is not None
        else None,
        measure_backlog=MeasureBacklog(QueueStore(store), health, clock=core.clock),
    )


def twilio_account(settings: Settings) -> TwilioAccount | None:
    """Where and as whom Twilio is called; `None` where that is not set."""
    if (
        settings.twilio_account_sid is None
        or settings.twilio_auth_token is None
        or settings.twilio_verify_service_sid is None
    ):
        return None
    return TwilioAccount(
        settings.twilio_account_sid,
        settings.twilio_auth_token.get_secret_value(),
        settings.twilio_verify_service_sid,
        settings.twilio_verify_base_url,
    )


def _phone_codes(core: Core, users: UserStore) -> PhoneCodes | None:
    account, limits = twilio_account(core.settings), core.settings.limits
    if account is None:
        return None
    return PhoneCodes(
        TwilioVerify(account),
        NumberStore(core.store, limits.number, limits.prefix, limits.phone),
        users,
        codes_key=core.keyring.codes,
        custom_code=core.settings.twilio_custom_code,
        clock=core.clock,
    )


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
