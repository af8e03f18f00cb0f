"""Requests and answers of `/v1/enrollments` and `/v1/users`."""

from typing import Annotated, Literal

from pydantic import Field

from service.http.schemas.common import (
    AnswerModel,
    Code,
    EmailText,
    Label,
    Locale,
    PhoneText,
    RequestModel,
    ReturnUrl,
    Sentence,
    Short,
    Time,
    UserId,
)


class UnlockRequest(RequestModel):
    """Why somebody may begin anew after too many wrong codes."""

    reason: Sentence


class UnlockView(AnswerModel):
    """What was forgotten."""

    failures: Annotated[int, Field(description="Wrong codes in a row")]


class EnrollRequest(RequestModel):
    """Who enrols an authenticator app."""

    user_id: UserId
    label: Annotated[Label, Field(description="The account's name in the app; unset: the user id")] | None = (
        None
    )
    device_name: Annotated[Short, Field(description="To tell several apps apart")] | None = None
    return_url: ReturnUrl | None = None
    locale: Locale | None = None


class EnrollmentView(AnswerModel):
    """What the app needs. It counts for nothing until `/confirm`."""

    id: str
    secret: Annotated[str, Field(description="Base 32")]
    otpauth_uri: str
    qr_svg: Annotated[str, Field(description="An SVG document")]
    enrollment_url: Annotated[str, Field(description="A page to enrol on; opens once")]
    expires_at: Time


class ConfirmRequest(RequestModel):
    """The code that the app shows."""

    code: Code


class FactorView(AnswerModel):
    """A factor."""

    id: str
    type: Literal["totp"]
    label: str | None
    device_name: str | None
    created_at: Time
    last_used_at: Time | None


class ConfirmView(AnswerModel):
    """The new factor; with a user's first one, backup codes that are shown this once."""

    factor: FactorView
    backup_codes: list[str] | None = None


class LinkRequest(RequestModel):
    """A visit to the page on which a user manages factors."""

    return_url: ReturnUrl | None = None
    locale: Locale | None = None


class LinkView(AnswerModel):
    """A link to give to the user, who was authenticated by the application a moment ago."""

    account_url: Annotated[str, Field(description="Opens once")]
    expires_at: Annotated[Time, Field(description="When it can't be opened any more")]


class BackupCodesView(AnswerModel):
    """Fresh backup codes, shown this once."""

    backup_codes: list[str]


class BackupCodesLeft(AnswerModel):
    """How many backup codes are unused."""

    remaining: int
    created_at: Time | None


class ContactsView(AnswerModel):
    """The kept contacts, masked."""

    phone: str | None
    email: str | None


class FactorsView(AnswerModel):
    """What a user has."""

    factors: list[FactorView]
    backup_codes: BackupCodesLeft
    contacts: ContactsView


class ContactsRequest(RequestModel):
    """Contacts that the application has verified. What is left out stays, `null` removes."""

    phone: PhoneText | None = None
    email: EmailText | None = None
    locale: Annotated[Locale, Field(description="For notices about changes")] | None = None
