"""What the API's models are made of. They validate what comes in, and describe it in `openapi.yaml`."""

import ipaddress
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from service.domain.channels import Channel
from service.domain.text import CALLING_CODE, SENTENCE_LENGTH, USER_ID_LENGTH, is_printable
from service.i18n import is_tag


def printable(text: str) -> str:
    """No control characters."""
    if not is_printable(text):
        raise ValueError("must not hold control characters")
    return text


def language(text: str) -> str:
    """A language tag."""
    if not is_tag(text):
        raise ValueError("expected a language tag such as en or pt-BR")
    return text


def address(text: str) -> str:
    """An IP address, in its usual form."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("expected an IPv4 or IPv6 address") from None


def distinct(channels: list[Channel]) -> list[Channel]:
    """No channel twice."""
    if len(set(channels)) != len(channels):
        raise ValueError("must not name a channel twice")
    return channels


UserId = Annotated[str, StringConstraints(min_length=1, max_length=USER_ID_LENGTH), AfterValidator(printable)]
Short = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(printable)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(printable)]
Value = Annotated[str, StringConstraints(max_length=256), AfterValidator(printable)]
Sentence = Annotated[
    str, StringConstraints(min_length=1, max_length=SENTENCE_LENGTH), AfterValidator(printable)
]
Code = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(printable),
    Field(description="Digits, or a backup code; blanks and hyphens do not count", examples=["123456"]),
]
PhoneText = Annotated[
    str,
    StringConstraints(max_length=32),
    AfterValidator(printable),
    Field(description="International form (E.164)", examples=["+14155550123"]),
]
EmailText = Annotated[
    str, StringConstraints(max_length=254), AfterValidator(printable), Field(examples=["alice@example.com"])
]
ReturnUrl = Annotated[
    str,
    StringConstraints(max_length=1024),
    AfterValidator(printable),
    Field(
        description="Where the page sends the user in the end; below an address in `OTP_RETURN_URLS`",
        examples=["https://shop.example/login/done"],
    ),
]
Locale = Annotated[str, AfterValidator(language), Field(description="BCP 47", examples=["pt-BR"])]
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


class RequestModel(BaseModel):
    """Base of requests: unknown fields and other types are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class AnswerModel(BaseModel):
    """Base of answers."""

    model_config = ConfigDict(extra="forbid")


class EmptyRequest(RequestModel):
    """Nothing."""
