"""What the service answers. Fields that a newer one adds are passed over; times have UTC as their zone.

What is secret - proofs, codes, links, an app's key - is left out of `repr`.
"""

from datetime import datetime
from typing import ClassVar, TypeAlias

from msgspec import Struct

Channel: TypeAlias = str  # sms, voice, whatsapp, email, totp, backup_code; a newer service may have more


class Model(Struct, frozen=True, kw_only=True):
    """Base of all answers."""

    hidden: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown = (f for f in self.__struct_fields__ if f not in self.hidden)
        return f"{type(self).__name__}({', '.join(f'{f}={getattr(self, f)!r}' for f in shown)})"


class ChannelState(Model, frozen=True, kw_only=True):
    """One channel of a challenge. `state`: waiting, sent, ready, failed or skipped; `to` is masked."""

    channel: Channel
    state: str
    reason: str | None = None
    to: str | None = None


class Switch(Model, frozen=True, kw_only=True, rename={"source": "from"}):
    """The prompt moved."""

    source: Channel
    to: Channel
    reason: str
    at: datetime


class Notice(Model, frozen=True, kw_only=True):
    """What to tell the user, in the language of the challenge."""

    code: str
    message: str


class ChallengeState(Model, frozen=True, kw_only=True):
    """A challenge as it was at the last look; `openapi.yaml` describes the fields."""

    hidden = frozenset({"proof", "challenge_url", "metadata"})

    id: str
    status: str
    channel: Channel | None
    accepts: tuple[Channel, ...]
    channels: tuple[ChannelState, ...]
    switches: tuple[Switch, ...] = ()
    notice: Notice | None = None
    enrollment_hint: Notice | None = None
    attempts_remaining: int
    created_at: datetime
    expires_at: datetime
    resend_after: datetime | None = None
    action: str | None = None
    metadata: dict[str, str] | None = None
    approved_by: Channel | None = None
    amr: tuple[str, ...] | None = None
    assurance: str | None = None
    restricted: bool | None = None
    proof: str | None = None
    challenge_url: str | None = None


class Verdict(Model, frozen=True, kw_only=True):
    """Whether a code was right. A wrong one is no error."""

    hidden = frozenset({"proof"})

    valid: bool
    status: str
    channel: Channel | None = None
    attempts_remaining: int
    amr: tuple[str, ...] | None = None
    assurance: str | None = None
    restricted: bool | None = None
    proof: str | None = None
    notice: Notice | None = None


class Introspection(Model, frozen=True, kw_only=True):
    """Whether a proof is good for this application now, and if so what it says."""

    active: bool
    challenge_id: str | None = None
    user_id: str | None = None
    application: str | None = None
    channel: Channel | None = None
    amr: tuple[str, ...] | None = None
    assurance: str | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None


class Proof(Model, frozen=True, kw_only=True):
    """What a proof says, checked offline."""

    challenge_id: str
    user_id: str
    application: str
    channel: Channel
    amr: tuple[str, ...]
    assurance: str
    issued_at: datetime
    expires_at: datetime


class Enrollment(Model, frozen=True, kw_only=True):
    """What an authenticator app needs. It counts for nothing until it is confirmed."""

    hidden = frozenset({"secret", "otpauth_uri", "qr_svg", "enrollment_url"})

    id: str
    secret: str
    otpauth_uri: str
    qr_svg: str
    enrollment_url: str
    expires_at: datetime


class Factor(Model, frozen=True, kw_only=True):
    """An authenticator app."""

    id: str
    type: str
    label: str | None = None
    device_name: str | None = None
    created_at: datetime
    last_used_at: datetime | None = None


class Confirmed(Model, frozen=True, kw_only=True):
    """The new app; with a user's first one, backup codes that can't be had again."""

    hidden = frozenset({"backup_codes"})

    factor: Factor
    backup_codes: tuple[str, ...] | None = None


class BackupCodes(Model, frozen=True, kw_only=True):
    """Fresh backup codes, which can't be had again."""

    hidden = frozenset({"backup_codes"})

    backup_codes: tuple[str, ...]


class BackupCodesLeft(Model, frozen=True, kw_only=True):
    """How many are unused."""

    remaining: int
    created_at: datetime | None = None


class Contacts(Model, frozen=True, kw_only=True):
    """The kept contacts, masked."""

    phone: str | None = None
    email: str | None = None


class Factors(Model, frozen=True, kw_only=True):
    """What a user has."""

    factors: tuple[Factor, ...]
    backup_codes: BackupCodesLeft
    contacts: Contacts


class AccountLink(Model, frozen=True, kw_only=True):
    """A link to the page on which a user manages factors."""

    hidden = frozenset({"account_url"})

    account_url: str
    expires_at: datetime


class Unlocked(Model, frozen=True, kw_only=True):
    """How many wrong codes in a row were forgotten."""

    failures: int


class ModeSetting(Model, frozen=True, kw_only=True):
    """One scope's mode."""

    mode: str
    country: str | None = None
    application: str | None = None
    reason: str
    version: int
    set_by: str
    set_at: datetime
    expires_at: datetime | None = None


class Mode(Model, frozen=True, kw_only=True):
    """What holds for everybody, and every setting in force."""

    mode: str
    settings: tuple[ModeSetting, ...]


class RouteHealth(Model, frozen=True, kw_only=True):
    """One route. `state`: closed, open or half_open; `share`: of the traffic that it takes."""

    route: str
    provider: str
    channel: Channel
    country: str | None = None
    carrier: str | None = None
    state: str
    since: datetime | None = None
    reason: str | None = None
    share: float


class ProviderHealth(Model, frozen=True, kw_only=True):
    """A provider's routes together. `state`: closed, degraded or open."""

    provider: str
    state: str
    routes: int
    not_closed: int
    sends: int
    faults: int


class Health(Model, frozen=True, kw_only=True):
    """Health of everything that is watched."""

    deciding: bool
    providers: tuple[ProviderHealth, ...]
    routes: tuple[RouteHealth, ...]


class ReadinessCounts(Model, frozen=True, kw_only=True):
    """How many users would get in without the primary provider."""

    users: int
    ready: int
    stuck: int
    share: float | None = None
    by_factor: dict[str, int]


class ApplicationReadiness(ReadinessCounts, frozen=True, kw_only=True):
    """One application's."""

    application: str


class Readiness(ReadinessCounts, frozen=True, kw_only=True):
    """All users, and by application."""

    applications: tuple[ApplicationReadiness, ...]


class TimelineEntry(Model, frozen=True, kw_only=True):
    """One thing that happened in an incident."""

    at: datetime
    kind: str
    route: str | None = None
    to: str | None = None
    reason: str | None = None
    text: str | None = None
    by: str | None = None
    public: bool = False


class Incident(Model, frozen=True, kw_only=True):
    """A recorded outage. `status`: investigating, identified, monitoring or resolved."""

    id: str
    provider: str
    status: str
    impact: str
    opened_at: datetime
    updated_at: datetime
    resolved_at: datetime | None = None
    affected: tuple[str, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()


class Incidents(Model, frozen=True, kw_only=True):
    """Incidents, newest first."""

    incidents: tuple[Incident, ...]
