"""Every setting, read once from the environment (the table in `README.md`).

Nothing else in the service reads the environment. `Settings.load` turns whatever is wrong into one
`SettingsError` with a line per setting, so that a start fails with words instead of a traceback.
"""

import os
import re
import shlex
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from service.domain.hook_urls import LOOPBACK_HOSTS, NOWHERE_PRIVATE, PrivateHosts, parse_private_hosts
from service.domain.master_keys import parse_master_keys
from service.domain.proxies import TrustedProxies
from service.domain.return_urls import LOOPBACK, ReturnUrls, parse_return_urls
from service.settings.kinds import (
    HttpUrl,
    OptionalHttpUrl,
    OptionalLogo,
    OptionalPath,
    OptionalPort,
    OptionalSecret,
    OptionalText,
    check_scheme,
    read_by,
    unset_if_blank,
)
from service.settings.limits import LimitSettings

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "redis+cluster")
SMTP_SCHEMES = ("smtp", "smtps")


class SettingsError(Exception):
    """A setting is missing or malformed. `str()` is one line per fault, ready for a terminal."""


class Settings(LimitSettings):
    """The service's settings. Durations are seconds."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    env: Literal["development", "production"] = Field(
        "development",
        validation_alias="OTP_ENV",
        description="`production` refuses the sandbox, generated keys and a plain-HTTP public URL.",
    )
    host: str = Field(
        "127.0.0.1", validation_alias="OTP_HOST", description="The address to listen on.", min_length=1
    )
    port: int = Field(
        8080,
        validation_alias="OTP_PORT",
        description="The port to listen on; 0: any that is free.",
        ge=0,
        le=65535,
    )
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        validation_alias="OTP_WORKERS",
        description="Processes that answer requests; unset: one a core.",
        ge=1,
        le=256,
    )
    worker_port: OptionalPort = Field(
        None,
        validation_alias="OTP_WORKER_PORT",
        description=(
            "The port on which `otp-fallback worker`, on a host of its own, answers `/healthz`, "
            "`/readyz` and `/metrics`; unset: none."
        ),
    )
    public_url: OptionalHttpUrl = Field(
        None,
        validation_alias="OTP_PUBLIC_URL",
        description=(
            "Where users and callers reach the service, as links name it; unset: as each caller does."
        ),
    )
    data_dir: Path = Field(
        Path("./var"),
        validation_alias="OTP_DATA_DIR",
        description="A folder for what `serve` keeps itself: the embedded Valkey server, generated keys.",
    )

    redis_url: OptionalSecret = Field(
        None,
        validation_alias="REDIS_URL",
        description=(
            "The Redis or Valkey server: `redis://`, `rediss://`, `unix://`, "
            "`redis+sentinel://host:port,host:port/name`, `redis+cluster://host:port,…`; unset: "
            "an embedded Valkey server."
        ),
    )

    twilio_account_sid: OptionalText = Field(
        None,
        validation_alias="TWILIO_ACCOUNT_SID",
        description="Twilio's account (`AC…`), or an API key of it (`SK…`); unset: the built-in sandbox.",
    )
    twilio_auth_token: OptionalSecret = Field(
        None,
        validation_alias="TWILIO_AUTH_TOKEN",
        description=(
            "Its token, or the API key's secret. Delivery reports are checked with the account's token."
        ),
    )
    twilio_verify_service_sid: OptionalText = Field(
        None, validation_alias="TWILIO_VERIFY_SERVICE_SID", description="The Verify service (`VA…`)."
    )
    twilio_verify_base_url: HttpUrl = Field(
        "https://verify.twilio.com",
        validation_alias="TWILIO_VERIFY_BASE_URL",
        description="Where Twilio Verify is reached.",
    )
    status_url: OptionalHttpUrl = Field(
        None,
        validation_alias="OTP_STATUS_URL",
        description="A Statuspage `summary.json` of the provider, taken as evidence only.",
    )
    twilio_code_length: int = Field(
        6,
        validation_alias="OTP_TWILIO_CODE_LENGTH",
        description="What the Verify service is set to, so that pages know when a code is complete.",
        ge=4,
        le=10,
    )
    twilio_custom_code: bool = Field(
        False,
        validation_alias="OTP_TWILIO_CUSTOM_CODE",
        description=(
            "Make the codes here, for accounts that have `CustomCode`: they can be checked in an outage."
        ),
    )

    smtp_url: OptionalSecret = Field(
        None,
        validation_alias="SMTP_URL",
        description=(
            "The mail server: `smtps://user:password@host`, or `smtp://…` with STARTTLS "
            "(`?tls=off` for a relay in a trusted network); unset: the sandbox's inbox, and in "
            "production no e-mail channel."
        ),
    )
    mail_from: str = Field(
        "otp-fallback <no-reply@localhost>", validation_alias="MAIL_FROM", description="Whom mail is from."
    )

    alert_urls: OptionalSecret = Field(
        None,
        validation_alias="OTP_ALERT_URLS",
        description="Where operators are alerted: Apprise URLs with blanks between them.",
    )
    runbook_url: OptionalHttpUrl = Field(
        None,
        validation_alias="OTP_RUNBOOK_URL",
        description="The address below which alerts say the runbooks are; unset: `deploy/runbooks`.",
    )
    private_hooks: Annotated[Annotated[str, read_by(parse_private_hosts)] | None, unset_if_blank] = Field(
        None,
        validation_alias="OTP_PRIVATE_HOOKS",
        description=(
            "Private hosts and networks that webhooks may be sent to; unset: in development this "
            "machine, else none."
        ),
    )
    trusted_proxies: Annotated[Annotated[str, read_by(TrustedProxies.parse)] | None, unset_if_blank] = Field(
        None,
        validation_alias="OTP_TRUSTED_PROXIES",
        description="Addresses and networks of proxies whose `X-Forwarded-For` is believed.",
    )

    change_notices: bool = Field(
        True,
        validation_alias="OTP_CHANGE_NOTICES",
        description="Tell users by e-mail of changes in how they sign in.",
    )

    otlp_endpoint: OptionalHttpUrl = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="A collector of OTLP over HTTP, for traces; unset: none are made.",
    )

    is_child: bool = Field(
        False,
        validation_alias="OTP_IS_CHILD",
        description="Set by `serve` for its processes, which need not tell again what it told.",
        exclude=True,  # nobody's to set
    )

    master_keys: OptionalSecret = Field(
        None,
        validation_alias="OTP_MASTER_KEYS",
        description=(
            "`kid:base64,…` of 32 bytes each, the first one encrypts; unset: generated under `OTP_DATA_DIR`."
        ),
    )
    master_keys_file: OptionalPath = Field(
        None,
        validation_alias="OTP_MASTER_KEYS_FILE",
        description="The same, in a file that nobody else may read.",
    )
    master_keys_command: OptionalText = Field(
        None,
        validation_alias="OTP_MASTER_KEYS_COMMAND",
        description="A command that prints the same, such as that of a KMS or a vault.",
    )
    bootstrap_api_key: OptionalSecret = Field(
        None,
        validation_alias="OTP_BOOTSTRAP_API_KEY",
        description="An API key with all scopes, made if absent.",
    )

    issuer: str = Field(
        "otp-fallback",
        validation_alias="OTP_ISSUER",
        description="The name that apps, pages and mails show.",
        min_length=1,
        max_length=64,
    )
    brand_color: str = Field(
        "#1f5fd6",
        validation_alias="OTP_BRAND_COLOR",
        description="The pages' colour; made legible on light and dark by itself.",
        pattern=r"^#[0-9a-fA-F]{6}$",
    )
    brand_logo: OptionalLogo = Field(
        None,
        validation_alias="OTP_BRAND_LOGO",
        description="The pages' logo: a `.svg` or `.png` file of at most 32 KiB.",
    )
    return_urls: Annotated[Annotated[str, read_by(parse_return_urls)] | None, unset_if_blank] = Field(
        None,
        validation_alias="OTP_RETURN_URLS",
        description=(
            "Where pages may send users back to, apart by commas; unset: in development this "
            "machine, else nowhere."
        ),
    )
    send_deadline: float = Field(
        3.0,
        validation_alias="OTP_SEND_DEADLINE",
        description="Seconds that a send may take before the challenge goes on without it.",
        gt=0,
        le=30,
    )
    delivery_deadline: float = Field(
        20.0,
        validation_alias="OTP_DELIVERY_DEADLINE",
        description="Seconds without an answer after which a challenge moves on by itself.",
        gt=0,
        le=600,
    )
    durability: Literal["strict", "relaxed"] = Field(
        "strict",
        validation_alias="OTP_DURABILITY",
        description=(
            "`strict`: what must not be lost is acknowledged once it is on disk, and at a replica "
            "where there is one; `relaxed`: at once."
        ),
    )
    challenge_ttl: int = Field(
        600,
        validation_alias="OTP_CHALLENGE_TTL",
        description="Seconds that a challenge lives.",
        ge=10,
        le=600,
    )

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            SettingsError: a setting is malformed, or this set of settings can't go together.

        """
        try:
            return cls()
        except ValidationError as error:
            lines = []
            for fault in error.errors(include_url=False, include_input=False):
                name = str(fault["loc"][0]) if fault["loc"] else "settings"
                found = fault["msg"].removeprefix("Value error, ")
                lines += [f"{name}: {line}" for line in found.splitlines()]
            raise SettingsError("\n".join(lines)) from None

    @field_validator("redis_url")
    @classmethod
    def _known_redischeck_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            check_scheme(value.get_secret_value(), REDIS_SCHEMES)
        return value

    @field_validator("smtp_url")
    @classmethod
    def _known_smtpcheck_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = check_scheme(value.get_secret_value(), SMTP_SCHEMES)
            if not parts:
                raise ValueError("expected smtp://[user:password@]host[:port]")
        return value

    @field_validator("alert_urls")
    @classmethod
    def _alert_urls_have_a_form(cls, value: SecretStr | None) -> SecretStr | None:
        for number, entry in enumerate(value.get_secret_value().split() if value else (), 1):
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", entry):
                raise ValueError(f"number {number} is no URL such as slack://... or json://...")
        return value

    @field_validator("twilio_account_sid")
    @classmethod
    def _account_sid(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"(AC|SK)[0-9a-zA-Z]+", value):
            raise ValueError("expected AC... (or SK... for an API key)")
        return value

    @field_validator("twilio_verify_service_sid")
    @classmethod
    def _service_sid(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"VA[0-9a-zA-Z]+", value):
            raise ValueError("expected VA...")
        return value

    @field_validator("master_keys")
    @classmethod
    def _keys_decode(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parse_master_keys(value.get_secret_value())
        return value

    @field_validator("master_keys_command")
    @classmethod
    def _command_splits(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                shlex.split(value)
            except ValueError as error:  # its text names what is wrong, and quotes nothing
                raise ValueError(f"not a command line: {error}") from None
        return value

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        twilio = {
            "TWILIO_ACCOUNT_SID": self.twilio_account_sid,
            "TWILIO_AUTH_TOKEN": self.twilio_auth_token,
            "TWILIO_VERIFY_SERVICE_SID": self.twilio_verify_service_sid,
        }
        missing = [name for name, value in twilio.items() if value is None]
        faults: list[str] = []
        if len(self.master_keys_given) > 1:
            faults.append(f"{' and '.join(self.master_keys_given)} are set: set one of them")
        if missing and len(missing) < len(twilio):
            faults.append(f"{' and '.join(missing)} must be set too: Twilio needs all of {', '.join(twilio)}")
        if self.env == "production":
            if len(missing) == len(twilio):
                faults.append(
                    f"OTP_ENV=production needs {', '.join(missing)}: the sandbox is for development"
                )
            if not self.master_keys_given:
                faults.append(
                    "OTP_ENV=production needs OTP_MASTER_KEYS (or OTP_MASTER_KEYS_FILE, or"
                    " OTP_MASTER_KEYS_COMMAND): a generated key is lost with the disk"
                )
            if self.public_url is None or not self.public_url.startswith("https://"):
                faults.append("OTP_ENV=production needs OTP_PUBLIC_URL=https://...")
        if faults:
            raise ValueError("\n".join(faults))
        return self

    @property
    def master_keys_given(self) -> list[str]:
        """The settings that say what the master keys are, or where they come from."""
        fields = ("master_keys", "master_keys_file", "master_keys_command")
        return [f"OTP_{name.upper()}" for name in fields if getattr(self, name) is not None]

    @property
    def uses_sandbox_twilio(self) -> bool:
        """Whether SMS goes to the built-in sandbox."""
        return self.twilio_account_sid is None

    @property
    def allowed_return_urls(self) -> ReturnUrls:
        """Where pages may send users back to; in development, unset means any page of this machine."""
        if self.return_urls is not None:
            return parse_return_urls(self.return_urls)
        return LOOPBACK if self.env == "development" else ReturnUrls(())

    @property
    def allowed_private_hooks(self) -> PrivateHosts:
        """Private hosts that webhooks may be sent to; in development, unset means this machine."""
        if self.private_hooks is not None:
            return parse_private_hosts(self.private_hooks)
        return LOOPBACK_HOSTS if self.env == "development" else NOWHERE_PRIVATE

    @property
    def uses_sandbox_mail(self) -> bool:
        """Whether mail goes to the sandbox's inbox. In production an unset `SMTP_URL` means no mail."""
        return self.smtp_url is None and self.env != "production"

    @property
    def uses_embedded_redis(self) -> bool:
        """Whether `serve` starts a Valkey server of its own."""
        return self.redis_url is None
