"""Requests and answers of `/v1/challenges`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from service.domain.channels import Assurance, Channel
from service.http.schemas.common import (
    AnswerModel,
    Code,
    EmailText,
    Locale,
    PhoneText,
    RequestModel,
    ReturnUrl,
    Short,
    SwitchReason,
    Time,
    UserId,
    Value,
    address,
    distinct,
)


class StartChallengeRequest(RequestModel):
    """Whom to ask for a second factor, and how."""

    user_id: UserId
    phone: PhoneText | None = None
    email: EmailText | None = None
    channels: (
        Annotated[
            list[Annotated[Channel, Field(strict=False)]],
            Field(min_length=1, max_length=len(Channel), description="In order; unset: what the user has"),
            AfterValidator(distinct),
        ]
        | None
    ) = None
    locale: Locale | None = None
    action: Annotated[Short, Field(description="What it is for", examples=["login"])] | None = None
    client_ip: Annotated[str, AfterValidator(address), Field(examples=["203.0.113.7"])] | None = None
    metadata: (
        Annotated[dict[Short, Value], Field(max_length=10, description="Given back as it came")] | None
    ) = None
    min_assurance: Annotated[Assurance, Field(description="Channels below it are left out")] | None = None
    return_url: (
        Annotated[ReturnUrl, Field(description="With it comes `challenge_url`, a page that asks the user")]
        | None
    ) = None


class VerifyRequest(RequestModel):
    """A code, and the channel that it must be from; unset: any that is accepted."""

    code: Code
    channel: Annotated[Channel, Field(strict=False)] | None = None


class SwitchRequest(RequestModel):
    """The channel to switch to; unset: the next of the plan."""

    channel: Annotated[Channel, Field(strict=False)] | None = None


class ChannelView(AnswerModel):
    """One channel of a challenge."""

    channel: Channel
    state: Literal["waiting", "sent", "ready", "failed", "skipped"]
    reason: Annotated[str | None, Field(description="Why it failed or was skipped")] = None
    to: Annotated[str | None, Field(description="Masked", examples=["+1415***0123"])] = None


class SwitchView(AnswerModel):
    """The prompt moved."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    source: Annotated[Channel, Field(alias="from")]
    to: Channel
    reason: SwitchReason
    at: Time


class NoticeView(AnswerModel):
    """What to tell the user."""

    code: str
    message: Annotated[str, Field(description="In the request's language")]


class ChallengeView(AnswerModel):
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


class IntrospectRequest(RequestModel):
    """A proof that somebody presented."""

    proof: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    use_once: Annotated[
        bool, Field(description="It is used up with this: from then on it is not active any more")
    ] = False


class IntrospectionView(AnswerModel):
    """Whether a proof is good for this application now, and if so what it says (RFC 7662 in spirit)."""

    active: bool
    challenge_id: str | None = None
    user_id: str | None = None
    application: str | None = None
    channel: Annotated[Channel | None, Field(description="Whose code it was")] = None
    amr: Annotated[list[Literal["otp", "sms", "tel"]] | None, Field(description="RFC 8176")] = None
    assurance: Annotated[Assurance | None, Field(description="`acr` in the proof")] = None
    issued_at: Time | None = None
    expires_at: Time | None = None


class VerifyView(AnswerModel):
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
