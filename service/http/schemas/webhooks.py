"""Requests and answers of `/v1/ops/webhooks`."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from service.domain.hook_urls import LONGEST
from service.http.schemas.common import AnswerModel, RequestModel, Sentence, Short, Time, printable

HookUrl = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST),
    AfterValidator(printable),
    Field(
        description="Where messages are posted; on the public internet, or allowed by `OTP_PRIVATE_HOOKS`",
        examples=["https://shop.example/hooks/otp"],
    ),
]
Patterns = Annotated[
    list[Short],
    Field(max_length=64, description="Types, or `incident.*`; empty: all", examples=[["incident.*"]]),
]
DeadId = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,16}-[0-9]{1,16}$")]


class WebhookRequest(RequestModel):
    """A webhook to make."""

    url: HookUrl
    events: Patterns = Field(default=[])
    application: Annotated[
        Short | None,
        Field(description="Only its challenges, factors and users; what is nobody's is told all the same"),
    ] = None
    description: Sentence | None = None


class WebhookChangeRequest(RequestModel):
    """What to change; the rest stays."""

    url: HookUrl | None = None
    events: Patterns | None = None
    description: Annotated[Sentence | None, Field(description="null: none any more")] = None
    enabled: bool | None = None


class ReplayRequest(RequestModel):
    """Which dead letters to send again."""

    ids: Annotated[list[DeadId], Field(max_length=500, description="Unset: all")] | None = None


class DeliveryStateView(AnswerModel):
    """How telling it goes."""

    pending: Annotated[int, Field(description="Messages that wait")]
    dead: Annotated[int, Field(description="Messages that were given up after a day")]
    failures: Annotated[int, Field(description="In a row")]
    failing_since: Time | None
    last_status: Annotated[str | None, Field(description="An HTTP status, or a word: timeout, tls, ...")]
    last_success_at: Time | None
    paused_until: Annotated[Time | None, Field(description="Then one message is tried")]


class WebhookView(AnswerModel):
    """A webhook, without its secret."""

    id: str
    url: str
    events: list[str]
    application: str | None
    description: str | None
    enabled: bool
    created_at: Time
    state: DeliveryStateView


class WebhookWithSecretView(WebhookView):
    """A webhook with a new secret, which is shown this once."""

    secret: Annotated[str, Field(description="Signs its messages (Standard Webhooks)")]


class WebhooksView(AnswerModel):
    """Every webhook, oldest first."""

    webhooks: list[WebhookView]


class WebhookTestView(AnswerModel):
    """The message that was queued."""

    message_id: str


class DeadLetterView(AnswerModel):
    """A message that was given up."""

    id: str
    message_id: str
    type: str
    timestamp: Annotated[Time, Field(description="When it happened")]
    data: dict[str, Any]
    last_status: str
    died_at: Time


class DeadLettersView(AnswerModel):
    """Messages that were given up, newest first."""

    messages: list[DeadLetterView]
    next: Annotated[str | None, Field(description="Give it as `before` for the next ones")]


class ReplayView(AnswerModel):
    """How many were put back."""

    replayed: int
