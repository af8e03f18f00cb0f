"""The one place where the parts of the service are put together, on the core (`core.py`)."""

import random
import threading
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
from service.core import Core
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
from service.providers.smtp import SmtpMailer, SmtpServer
from service.providers.statuspage import StatusPage
from service.providers.twilio_http import ProxyUnusable
from service.providers.twilio_verify import TwilioAccount, TwilioVerify
from service.settings import Settings, SettingsError
from service.store.api_keys import ApiKeyStore
from service.store.challenges import ChallengeStore
from service.store.changes import ChangeListener
from service.store.health import HealthStore
from service.store.hook_queue import HookQueue
from service.store.idempotency import IdempotencyStore
from service.store.limits import LimitStore
from service.store.links import LinkStore
from service.store.modes import ModeStore
from service.store.notices import NoticeStore
from service.store.numbers import NumberStore
from service.store.proofs import UsedProofs
from service.store.queues import QueueStore
from service.store.sessions import SessionStore
from service.store.traffic import TrafficStore
from service.store.users import UserStore
from service.store.verifications import VerificationStore


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


def build(core: Core) -> Services:
    """Put the service together.

    Raises:
        SettingsError: the environment's proxy can't be used.
        StoreUnavailable: Redis can't be reached.
    """
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
    try:
        twilio = TwilioVerify(account)
    except ProxyUnusable as error:
        raise SettingsError(str(error)) from None
    return PhoneCodes(
        twilio,
        NumberStore(core.store, limits.number, limits.prefix, limits.phone),
        users,
        codes_key=core.keyring.codes,
        custom_code=core.settings.twilio_custom_code,
        clock=core.clock,
    )
