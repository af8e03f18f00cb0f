"""The settings that limit: countries served, rates, attempts, wrong codes. They are among `Settings`."""

import re
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.domain import limits as limit
from service.domain.toll_fraud import Served
from service.settings.kinds import read_by, unset_if_blank

RateText = Annotated[str, read_by(limit.Rate.parse)]


class LimitSettings(BaseSettings):
    """How much of everything there may be. `Rate` says what a rate means."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    countries: Annotated[Annotated[str, read_by(Served.parse)] | None, unset_if_blank] = Field(
        None,
        validation_alias="OTP_COUNTRIES",
        description="Countries that messages are sent to (`US,CA,+49`); unset: all.",
    )
    limit_address: RateText = Field(
        "300/10m",
        validation_alias="OTP_LIMIT_ADDRESS",
        description=(
            "Challenges from one network address (an IPv6 /64): so many at once, then evenly; "
            "`off`: no limit."
        ),
    )
    limit_application: RateText = Field(
        "60000/1m", validation_alias="OTP_LIMIT_APPLICATION", description="Challenges of one application."
    )
    limit_user: RateText = Field(
        "120/1h",
        validation_alias="OTP_LIMIT_USER",
        description="Challenges of one user; above it nothing is sent, and apps and backup codes go on.",
    )
    limit_number: RateText = Field(
        "60/1h",
        validation_alias="OTP_LIMIT_NUMBER",
        description="Messages to one number or mailbox; half of it from one address.",
    )
    limit_prefix: RateText = Field(
        "300/10m", validation_alias="OTP_LIMIT_PREFIX", description="Messages to one block of 10 000 numbers."
    )
    limit_phone: RateText = Field(
        "off", validation_alias="OTP_LIMIT_PHONE", description="All messages to phones: a budget."
    )
    limit_mail: RateText = Field(
        "off", validation_alias="OTP_LIMIT_MAIL", description="All codes by e-mail: a budget."
    )
    max_attempts: int = Field(
        5,
        validation_alias="OTP_MAX_ATTEMPTS",
        description="Codes tried in one challenge before it is locked.",
        ge=1,
        le=10,
    )
    max_sends: int = Field(
        5, validation_alias="OTP_MAX_SENDS", description="Messages of one challenge.", ge=1, le=10
    )
    cool_down: str = Field(
        "30,60,120",
        validation_alias="OTP_COOL_DOWN",
        description="Seconds between one message of a challenge and the next.",
    )
    failures_address: int = Field(
        10,
        validation_alias="OTP_FAILURES_ADDRESS",
        description="Wrong codes of a user in a row from one address before that address has to wait.",
        ge=1,
        le=100,
    )
    failures_user: int = Field(
        20,
        validation_alias="OTP_FAILURES_USER",
        description="Wrong codes of a user in a row altogether before everybody has to wait.",
        ge=1,
        le=100,
    )
    failures_lock: int = Field(
        100,
        validation_alias="OTP_FAILURES_LOCK",
        description="Wrong codes of a user in a row before an operator has to help.",
        ge=1,
        le=100,
    )

    @field_validator("cool_down")
    @classmethod
    def _cool_down_parses(cls, value: str) -> str:
        if not re.fullmatch(r"\s*[0-9]{1,4}\s*(,\s*[0-9]{1,4}\s*){0,9}", value):
            raise ValueError("expected seconds between one message and the next, such as 30,60,120")
        return value

    @model_validator(mode="after")
    def _guessers_first(self) -> Self:
        if not self.failures_address <= self.failures_user <= self.failures_lock:
            raise ValueError(
                "expected OTP_FAILURES_ADDRESS <= OTP_FAILURES_USER <= OTP_FAILURES_LOCK,"
                " so that who guesses is stopped before the user is"
            )
        return self

    @property
    def served(self) -> Served:
        """The countries that messages are sent to."""
        return Served.parse(self.countries)

    @property
    def limits(self) -> limit.Limits:
        """Every limit."""
        return limit.Limits(
            address=limit.Rate.parse(self.limit_address),
            application=limit.Rate.parse(self.limit_application),
            user=limit.Rate.parse(self.limit_user),
            number=limit.Rate.parse(self.limit_number),
            prefix=limit.Rate.parse(self.limit_prefix),
            phone=limit.Rate.parse(self.limit_phone),
            mail=limit.Rate.parse(self.limit_mail),
            failures=limit.Failures(
                address=self.failures_address, user=self.failures_user, lock=self.failures_lock
            ),
            attempts=self.max_attempts,
            sends=self.max_sends,
            cool_down=tuple(int(seconds) * 1000 for seconds in self.cool_down.split(",")),
        )
