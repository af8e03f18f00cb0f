"""Requests and answers of `/v1/ops`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from service.domain.drills import EndedBy, Kind
from service.domain.mode import Mode
from service.http.schemas.common import AnswerModel, Country, RequestModel, Sentence, Short, Time, UserId


class ModeRequest(RequestModel):
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


class ModeClearRequest(RequestModel):
    """A country's or an application's mode to be taken back, so that wider ones hold there again."""

    reason: Sentence
    country: Country | None = None
    application: Short | None = None
    version: Annotated[int, Field(ge=0, le=2**53, description="As of `PUT /v1/ops/mode`")] | None = None


class ModeSettingView(AnswerModel):
    """One scope's mode."""

    mode: Mode
    country: str | None
    application: str | None
    reason: str
    version: Annotated[int, Field(description="Counts this scope's changes")]
    set_by: str
    set_at: Time
    expires_at: Time | None


class ModeView(AnswerModel):
    """What holds for everybody, and every setting in force. The narrowest that covers a challenge wins."""

    mode: Mode
    settings: list[ModeSettingView]


class FraudClearRequest(RequestModel):
    """A block of numbers that is none of a fraudster's."""

    block: Annotated[
        str,
        StringConstraints(pattern=r"^\+[0-9]{1,15}$"),
        Field(description="As `/v1/ops/fraud` lists it", examples=["+1415555"]),
    ]
    reason: Sentence


class SuspectView(AnswerModel):
    """A block of numbers that nothing is sent to for a while."""

    block: str
    country: str
    since: Time
    until: Time


class FraudView(AnswerModel):
    """Blocks of numbers in which toll fraud is suspected now, newest first."""

    suspects: list[SuspectView]


def _hyphens(text: Any) -> Any:
    return text.replace("-", "_") if isinstance(text, str) else text


class DrillRequest(RequestModel):
    """An outage to rehearse: nothing, half (`brown_out`), or silently nothing gets through."""

    kind: Annotated[Kind, BeforeValidator(_hyphens)]
    reason: Sentence
    share: Annotated[
        float,
        Field(ge=0.001, le=1, strict=False, description="Of the users; each is in throughout, or not"),
    ] = 1.0
    user_ids: Annotated[
        list[UserId] | None, Field(min_length=1, max_length=1000, description="The only ones who take part")
    ] = None
    application: Short | None = None
    country: Country | None = None
    duration: Annotated[int, Field(ge=10, le=14_400, description="Seconds")] = 300
    spare: Annotated[
        bool,
        Field(description="Send the real message to users who have no other way; they are only counted"),
    ] = True
    max_stuck: Annotated[
        int, Field(ge=0, le=100_000, description="With more users not getting in, it is stopped")
    ] = 20


class DrillStopRequest(RequestModel):
    """Why it ends before its time."""

    reason: Sentence | None = None


class DrillResults(AnswerModel):
    """What came of it so far."""

    challenges: int
    switched: int
    got_in: int
    share: Annotated[float | None, Field(description="got_in of those that are over")]
    approved_by: dict[str, int]
    failed: int
    expired: int
    locked: int
    canceled: int
    pending: int
    nowhere_to_go: Annotated[int, Field(description="Had no other way; those who were spared among them")]
    median_time: Annotated[int | None, Field(description="From start to approval, ms")]
    slow_time: Annotated[int | None, Field(description="The 95th percentile of that, ms")]


class DrillView(AnswerModel):
    """A rehearsed outage."""

    id: str
    kind: Kind
    status: Literal["running", "finished"]
    reason: str
    share: float
    named_users: Annotated[int | None, Field(description="How many were named; null: all may take part")]
    application: str | None
    country: str | None
    spare: bool
    max_stuck: int
    started_by: str
    started_at: Time
    ends_at: Time
    ended_at: Time | None
    ended_by: Annotated[
        EndedBy | None, Field(description="`safety`: too many got stuck; `outage`: a real one began")
    ]
    report: DrillResults


class DrillsView(AnswerModel):
    """Drills, newest first."""

    drills: list[DrillView]


class ReadinessCounts(AnswerModel):
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


class StuckUserView(AnswerModel):
    """A user who would be locked out."""

    application: str
    user_id: str
    phone: Annotated[str | None, Field(description="Masked")]


class DrillReportView(DrillView):
    """A rehearsed outage and who had nowhere to go, as far as they are known here."""

    users_without: list[StuckUserView]


class StuckUsersView(AnswerModel):
    """Users who would be locked out, some at a time."""

    users: list[StuckUserView]
    next: Annotated[str | None, Field(description="Give it as `after` for the next ones")]


class AuditEntryView(AnswerModel):
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


class AuditView(AnswerModel):
    """The audit trail, newest first."""

    entries: list[AuditEntryView]


class RouteStateView(AnswerModel):
    """A route that is not closed."""

    route: str
    state: Literal["open", "half_open"]


class TimelineEntryView(AnswerModel):
    """One thing that happened in an incident."""

    at: Time
    kind: Literal["opened", "route", "impact", "update", "resolved"]
    route: str | None
    to: Annotated[str | None, Field(description="The new state of the route, the impact or the status")]
    reason: str | None
    text: Annotated[str | None, Field(description="An operator's words")]
    by: str | None
    public: Annotated[bool, Field(description="Whether users see it on the status page")]


class IncidentView(AnswerModel):
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


class IncidentsView(AnswerModel):
    """Incidents, newest first."""

    incidents: list[IncidentView]


class IncidentUpdateRequest(RequestModel):
    """What an operator says about an incident."""

    text: Sentence
    public: Annotated[bool, Field(description="Show it on the status page")] = False
    status: Literal["investigating", "identified", "monitoring", "resolved"] | None = None


class EvidenceView(AnswerModel):
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


class RouteHealth(AnswerModel):
    """One route; with a fourth part, one carrier's (mobile country and network code)."""

    route: Annotated[str, Field(examples=["twilio_verify/sms/+91"])]
    provider: str
    channel: str
    country: str | None
    carrier: str | None
    state: Literal["closed", "open", "half_open"]
    since: Annotated[Time | None, Field(description="null: it never changed")]
    reason: str | None
    share: Annotated[float, Field(description="Share of the traffic that it takes: less while coming back")]
    next_probe_at: Time | None
    evidence: EvidenceView


class ProviderHealth(AnswerModel):
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


class StatusPageView(AnswerModel):
    """What the provider's status page says; evidence only."""

    indicator: str
    description: str
    components: Annotated[list[str], Field(description="Those that are not operational")]
    checked_at: Time


class HealthReport(AnswerModel):
    """Health of everything that is watched."""

    deciding: Annotated[bool, Field(description="Whether a worker decides at present")]
    providers: list[ProviderHealth]
    routes: list[RouteHealth]
    status_page: StatusPageView | None
