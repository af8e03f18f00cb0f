"""Requests and answers of API v1. The models validate what comes in and describe both in `openapi.yaml`."""

import ipaddress
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from service.domain.channels import Assurance, Channel
from service.domain.mode import Mode
from service.domain.text import USER_ID_LENGTH, is_printable
from service.i18n import is_tag

CALLING_CODE = r"^\+[1-9][0-9]{0,2}$"


def _printable(text: str) -> str:
    if not is_printable(text):
        raise ValueError("must not hold control characters")
    return text


def _language(text: str) -> str:
    if not is_tag(text):
        raise ValueError("expected a language tag such as en or pt-BR")
    return text


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("expected an IPv4 or IPv6 address") from None


def _distinct(channels: list[Channel]) -> list[Channel]:
    if len(set(channels)) != len(channels):
        raise ValueError("must not name a channel twice")
    return channels


UserId = Annotated[
    str, StringConstraints(min_length=1, max_length=USER_ID_LENGTH), AfterValidator(_printable)
]
Short = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_printable)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_printable)]
Value = Annotated[str, StringConstraints(max_length=256), AfterValidator(_printable)]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_printable)]
Code = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(_printable),
    Field(description="Digits, or a backup code; blanks and hyphens do not count", examples=["123456"]),
]
PhoneText = Annotated[
    str,
    StringConstraints(max_length=32),
    AfterValidator(_printable),
    Field(description="International form (E.164)", examples=["+14155550123"]),
]
EmailText = Annotated[
    str, StringConstraints(max_length=254), AfterValidator(_printable), Field(examples=["alice@example.com"])
]
ReturnUrl = Annotated[
    str,
    StringConstraints(max_length=1024),
    AfterValidator(_printable),
    Field(
        description="Where the page sends the user in the end; below an address in `OTP_RETURN_URLS`",
        examples=["https://shop.example/login/done"],
    ),
]
Locale = Annotated[str, AfterValidator(_language), Field(description="BCP 47", examples=["pt-BR"])]
Country = Annotated[
    str, StringConstraints(pattern=CALLING_CODE), Field(description="Calling code", examples=["+91"])
]
SwitchReason = Literal[
    "mode",
    "circuit_open",
    "provider_error",
    "deadline",
    "undeliverable",
    "delivery_failed",
    "not_delivered",
    "user_request",
    "drill",
]
Time = Annotated[datetime, Field(description="RFC 3339, UTC")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


# Challenges


class StartChallengeRequest(_Request):
    """Whom to ask for a second factor, and how."""

    user_id: UserId
    phone: PhoneText | None = None
    email: EmailText | None = None
    channels: (
        Annotated[
            list[Annotated[Channel, Field(strict=False)]],
            Field(min_length=1, max_length=len(Channel), description="In order; unset: what the user has"),
            AfterValidator(_distinct),
        ]
        | None
    ) = None
    locale: Locale | None = None
    action: Annotated[Short, Field(description="What it is for", examples=["login"])] | None = None
    client_ip: Annotated[str, AfterValidator(_address), Field(examples=["203.0.113.7"])] | None = None
    metadata: (
        Annotated[dict[Short, Value], Field(max_length=10, description="Given back as it came")] | None
    ) = None
    min_assurance: Annotated[Assurance, Field(description="Channels below it are left out")] | None = None
    return_url: (
        Annotated[ReturnUrl, Field(description="With it comes `challenge_url`, a page that asks the user")]
        | None
    ) = None


class VerifyRequest(_Request):
    """A code, and the channel that it must be from; unset: any that is accepted."""

    code: Code
    channel: Annotated[Channel, Field(strict=False)] | None = None


class SwitchRequest(_Request):
    """The channel to switch to; unset: the next of the plan."""

    channel: Annotated[Channel, Field(strict=False)] | None = None


class EmptyRequest(_Request):
    """Nothing."""


class ChannelView(_Answer):
    """One channel of a challenge."""

    channel: Channel
    state: Literal["waiting", "sent", "ready", "failed", "skipped"]
    reason: Annotated[str | None, Field(description="Why it failed or was skipped")] = None
    to: Annotated[str | None, Field(description="Masked", examples=["+1415***0123"])] = None


class SwitchView(_Answer):
    """The prompt moved."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    source: Annotated[Channel, Field(alias="from")]
    to: Channel
    reason: SwitchReason
    at: Time


class NoticeView(_Answer):
    """What to tell the user."""

    code: str
    message: Annotated[str, Field(description="In the request's language")]


class ChallengeView(_Answer):
    """A challenge. `channel` is the prompt to show now; codes of all that `accepts` lists are accepted."""

    id: Annotated[str, Field(examples=["ch_07Qm3x0iT6cZ7b2hM0Yw1zBA"])]
    status: Literal["pending", "approved", "expired", "locked", "canceled", "failed"]
    channel: Channel | None
    accepts: list[Channel]
    channels: list[ChannelView]
    switches: list[SwitchView]
    notice: NoticeView | None
    enrollment_hint: Annotated[
        NoticeView | None, Field(description="The user has no fallback; offer to enrol one after the login")
    ] = None
    attempts_remaining: int
    created_at: Time
    expires_at: Time
    resend_after: Annotated[Time | None, Field(description="When `/resend` may be called")]
    action: str | None = None
    metadata: dict[str, str] | None = None
    approved_by: Channel | None = None
    amr: Annotated[list[Literal["otp", "sms", "tel"]] | None, Field(description="RFC 8176")] = None
    assurance: Annotated[Assurance | None, Field(description="NIST SP 800-63B-4")] = None
    restricted: Annotated[bool | None, Field(description="A restricted authenticator there")] = None
    proof: Annotated[str | None, Field(description="JWT (EdDSA), for 5 minutes after the approval")] = None


class StartedChallengeView(ChallengeView):
    """A challenge that was just started."""

    challenge_url: Annotated[
        str | None, Field(description="A page that asks the user, opens once; with `return_url` only")
    ] = None


class VerifyView(_Answer):
    """Whether the code was right. A wrong one is no error."""

    valid: bool
    status: Literal["pending", "approved", "expired", "locked", "canceled", "failed"]
    channel: Annotated[Channel | None, Field(description="Whose code it was")] = None
    attempts_remaining: int
    amr: list[Literal["otp", "sms", "tel"]] | None = None
    assurance: Assurance | None = None
    restricted: bool | None = None
    proof: str | None = None
    notice: NoticeView | None = None


# Enrolment


class EnrollRequest(_Request):
    """Who enrols an authenticator app."""

    user_id: UserId
    label: Annotated[Label, Field(description="The account's name in the app; unset: the user id")] | None = (
        None
    )
    device_name: Annotated[Short, Field(description="To tell several apps apart")] | None = None
    return_url: ReturnUrl | None = None
    locale: Locale | None = None


class EnrollmentView(_Answer):
    """What the app needs. It counts for nothing until `/confirm`."""

    id: str
    secret: Annotated[str, Field(description="Base 32")]
    otpauth_uri: str
    qr_svg: Annotated[str, Field(description="An SVG document")]
    enrollment_url: Annotated[str, Field(description="A page to enrol on; opens once")]
    expires_at: Time


class ConfirmRequest(_Request):
    """The code that the app shows."""

    code: Code


class FactorView(_Answer):
    """A factor."""

    id: str
    type: Literal["totp"]
    label: str | None
    device_name: str | None
    created_at: Time
    last_used_at: Time | None


class ConfirmView(_Answer):
    """The new factor; with a user's first one, backup codes that are shown this once."""

    factor: FactorView
    backup_codes: list[str] | None = None


class LinkRequest(_Request):
    """A visit to the page on which a user manages factors."""

    return_url: ReturnUrl | None = None
    locale: Locale | None = None


class LinkView(_Answer):
    """A link to give to the user, who was authenticated by the application a moment ago."""

    account_url: Annotated[str, Field(description="Opens once")]
    expires_at: Annotated[Time, Field(description="When it can't be opened any more")]


class BackupCodesView(_Answer):
    """Fresh backup codes, shown this once."""

    backup_codes: list[str]


class BackupCodesLeft(_Answer):
    """How many backup codes are unused."""

    remaining: int
    created_at: Time | None


class ContactsView(_Answer):
    """The kept contacts, masked."""

    phone: str | None
    email: str | None


class FactorsView(_Answer):
    """What a user has."""

    factors: list[FactorView]
    backup_codes: BackupCodesLeft
    contacts: ContactsView


class ContactsRequest(_Request):
    """Contacts that the application has verified. What is left out stays, `null` removes."""

    phone: PhoneText | None = None
    email: EmailText | None = None
    locale: Annotated[Locale, Field(description="For notices about changes")] | None = None


# Operations


class ModeRequest(_Request):
    """The mode to set, for everybody unless a country or an application is named."""

    mode: Annotated[Mode, Field(strict=False)]
    reason: Sentence
    country: Country | None = None
    application: Short | None = None
    expires_in: (
        Annotated[int, Field(ge=1, le=31_536_000, description="Seconds; unset: until changed")] | None
    ) = None
    version: (
        Annotated[
            int,
            Field(ge=0, le=2**53, description="What you saw of this scope, 0: nothing; another by now: 409"),
        ]
        | None
    ) = None


class ModeSettingView(_Answer):
    """One scope's mode."""

    mode: Mode
    country: str | None
    application: str | None
    reason: str
    version: Annotated[int, Field(description="Counts this scope's changes")]
    set_by: str
    set_at: Time
    expires_at: Time | None


class ModeView(_Answer):
    """What holds for everybody, and every setting in force. The narrowest that covers a challenge wins."""

    mode: Mode
    settings: list[ModeSettingView]


class ReadinessCounts(_Answer):
    """How many users would get in without the primary provider."""

    users: int
    ready: int
    stuck: int
    share: Annotated[float | None, Field(description="ready of users")]
    by_factor: Annotated[dict[str, int], Field(description="How many have each fallback")]


class ApplicationReadiness(ReadinessCounts):
    """One application's."""

    application: str


class ReadinessView(ReadinessCounts):
    """All users, and by application."""

    applications: list[ApplicationReadiness]


class StuckUserView(_Answer):
    """A user who would be locked out."""

    application: str
    user_id: str
    phone: Annotated[str | None, Field(description="Masked")]


class StuckUsersView(_Answer):
    """Users who would be locked out, some at a time."""

    users: list[StuckUserView]
    next: Annotated[str | None, Field(description="Give it as `after` for the next ones")]


class AuditEntryView(_Answer):
    """A deed of an operator."""

    id: str
    at: Time
    actor: Annotated[str, Field(description="An API key's id, or `cli:` and a login name")]
    origin: Annotated[str | None, Field(description="The address that it came from")]
    action: Annotated[str, Field(examples=["mode.set"])]
    target: str | None
    reason: str | None
    before: Any
    after: Any
    hash: Annotated[str, Field(description="Chains it to the entry before it")]


class AuditView(_Answer):
    """The audit trail, newest first."""

    entries: list[AuditEntryView]


class RouteStateView(_Answer):
    """A route that is not closed."""

    route: str
    state: Literal["open", "half_open"]


class TimelineEntryView(_Answer):
    """One thing that happened in an incident."""

    at: Time
    kind: Literal["opened", "route", "impact", "update", "resolved"]
    route: str | None
    to: Annotated[str | None, Field(description="The new state of the route, the impact or the status")]
    reason: str | None
    text: Annotated[str | None, Field(description="An operator's words")]
    by: str | None
    public: Annotated[bool, Field(description="Whether users see it on the status page")]


class IncidentView(_Answer):
    """A recorded outage of a provider."""

    id: str
    provider: str
    status: Literal["investigating", "identified", "monitoring", "resolved"]
    impact: Annotated[Literal["minor", "major"], Field(description="major: every route with traffic")]
    opened_at: Time
    updated_at: Time
    resolved_at: Time | None
    troubled: list[RouteStateView]
    affected: Annotated[list[str], Field(description="Routes that were open at some time of it")]
    timeline: list[TimelineEntryView]


class IncidentsView(_Answer):
    """Incidents, newest first."""

    incidents: list[IncidentView]


class IncidentUpdateRequest(_Request):
    """What an operator says about an incident."""

    text: Sentence
    public: Annotated[bool, Field(description="Show it on the status page")] = False
    status: Literal["investigating", "identified", "monitoring", "resolved"] | None = None


# Health


class EvidenceView(_Answer):
    """What a route's state rests on."""

    sends: Annotated[int, Field(description="Accepted or failed in the last 60 s")]
    faults: Annotated[int, Field(description="Failed by the provider's fault in the last 60 s")]
    fault_rate: float | None
    waiting: Annotated[int, Field(description="Sends of the last 90 s not answered yet")]
    approved: Annotated[int, Field(description="Sends of the last 90 s whose code came back")]
    not_approved: Annotated[int, Field(description="Sends of the last 90 s known not to have arrived")]
    undelivered: Annotated[int, Field(description="Delivery reports of failure since the last transition")]
    baseline: Annotated[float, Field(description="Learned share of sends whose code comes back")]
    statistic: Annotated[float, Field(description="Evidence of silent failure; opens at the threshold")]
    threshold: float
    warned: Annotated[bool, Field(description="Somebody else reports trouble: the thresholds are lowered")]


class RouteHealth(_Answer):
    """One route; with a fourth part, one carrier's (mobile country and network code)."""

    route: Annotated[str, Field(examples=["twilio_verify/sms/+91"])]
    provider: str
    channel: str
    country: str | None
    carrier: str | None
    state: Literal["closed", "open", "half_open"]
    since: Time
    reason: str | None
    share: Annotated[float, Field(description="Share of the traffic that it takes: less while coming back")]
    next_probe_at: Time | None
    evidence: EvidenceView


class ProviderHealth(_Answer):
    """A provider's routes together."""

    provider: str
    state: Annotated[
        Literal["closed", "degraded", "open"],
        Field(description="open: every route with traffic is; degraded: some are not closed"),
    ]
    routes: int
    not_closed: int
    sends: int
    faults: int


class StatusPageView(_Answer):
    """What the provider's status page says; evidence only."""

    indicator: str
    description: str
    components: Annotated[list[str], Field(description="Those that are not operational")]
    checked_at: Time


class HealthReport(_Answer):
    """Health of everything that is watched."""

    deciding: Annotated[bool, Field(description="Whether a worker decides at present")]
    providers: list[ProviderHealth]
    routes: list[RouteHealth]
    status_page: StatusPageView | None


# Errors and the rest


class FieldFaultView(_Answer):
    """One field at fault."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[FieldFaultView] | None = None


class HealthView(_Answer):
    """Whether it runs."""

    status: Literal["ok", "unavailable"]


class JwksView(BaseModel):
    """Public keys (RFC 7517)."""

    keys: list[dict[str, str]]


class PageView(BaseModel):
    """Whose status it is."""

    id: str
    name: str
    url: str
    time_zone: str
    updated_at: Time


class ComponentView(BaseModel):
    """A channel."""

    id: str
    name: str
    status: Literal["operational", "degraded_performance", "partial_outage", "major_outage"]
    updated_at: Time
    position: int


class IncidentUpdateView(BaseModel):
    """Something that was said of an incident."""

    id: str
    status: str
    body: str
    created_at: Time


class PublicIncidentView(BaseModel):
    """An incident that is not over."""

    id: str
    name: str
    status: Literal["investigating", "identified", "monitoring", "resolved"]
    impact: Literal["minor", "major"]
    created_at: Time
    updated_at: Time
    resolved_at: Time | None
    incident_updates: list[IncidentUpdateView]
    components: list[ComponentView]


class IndicatorView(BaseModel):
    """All of it in a word."""

    indicator: Literal["none", "minor", "major"]
    description: str


class SummaryView(BaseModel):
    """Statuspage's summary."""

    page: PageView
    components: list[ComponentView]
    incidents: list[PublicIncidentView]
    scheduled_maintenances: list[dict[str, Any]]
    status: IndicatorView
