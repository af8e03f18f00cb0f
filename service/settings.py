"""Every setting, read once from the environment (the table in `README.md`).

Nothing else in the service reads the environment. `Settings.load` turns whatever is wrong into one
`SettingsError` with a line per setting, so that a start fails with words instead of a traceback.
"""

import base64
import binascii
import os
import re
import shlex
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.domain import limits as limit
from service.domain.hook_urls import LOOPBACK_HOSTS, NOWHERE_PRIVATE, PrivateHosts, parse_private_hosts
from service.domain.proxies import TrustedProxies
from service.domain.return_urls import LOOPBACK, ReturnUrls, parse_return_urls
from service.domain.toll_fraud import Served

REDIS_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "redis+cluster")
SMTP_SCHEMES = ("smtp", "smtps")
MASTER_KEY_BYTES = 32
LOGO_TYPES = (".svg", ".png")
LOGO_BYTES = 32 * 1024


class SettingsError(Exception):
    """A setting is missing or malformed. `str()` is one line per fault, ready for a terminal."""


def _blank_is_unset(value: object) -> object:
    """An empty variable means unset: compose files and shells pass `NAME=` for what is not given."""
    return None if isinstance(value, str) and not value.strip() else value


_unset_if_blank = BeforeValidator(_blank_is_unset)
OptionalText = Annotated[str | None, _unset_if_blank]
OptionalSecret = Annotated[SecretStr | None, _unset_if_blank]
OptionalPath = Annotated[Path | None, _unset_if_blank]


class Settings(BaseSettings):
    """The service's settings. Durations are seconds."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    env: Literal["development", "production"] = Field("development", validation_alias="OTP_ENV")
    host: str = Field("127.0.0.1", validation_alias="OTP_HOST", min_length=1)
    port: int = Field(8080, validation_alias="OTP_PORT", ge=0, le=65535)
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 1, validation_alias="OTP_WORKERS", ge=1, le=256
    )
    public_url: OptionalText = Field(None, validation_alias="OTP_PUBLIC_URL")
    data_dir: Path = Field(Path("./var"), validation_alias="OTP_DATA_DIR")

    redis_url: OptionalSecret = Field(None, validation_alias="REDIS_URL")

    twilio_account_sid: OptionalText = Field(None, validation_alias="TWILIO_ACCOUNT_SID")
    twilio_auth_token: OptionalSecret = Field(None, validation_alias="TWILIO_AUTH_TOKEN")
    twilio_verify_service_sid: OptionalText = Field(None, validation_alias="TWILIO_VERIFY_SERVICE_SID")
    twilio_verify_base_url: str = Field(
        "https://verify.twilio.com", validation_alias="TWILIO_VERIFY_BASE_URL"
    )
    status_url: OptionalText = Field(None, validation_alias="OTP_STATUS_URL")
    twilio_code_length: int = Field(6, validation_alias="OTP_TWILIO_CODE_LENGTH", ge=4, le=10)
    twilio_custom_code: bool = Field(False, validation_alias="OTP_TWILIO_CUSTOM_CODE")

    smtp_url: OptionalSecret = Field(None, validation_alias="SMTP_URL")
    mail_from: str = Field("otp-fallback <no-reply@localhost>", validation_alias="MAIL_FROM")

    alert_urls: OptionalSecret = Field(None, validation_alias="OTP_ALERT_URLS")
    runbook_url: OptionalText = Field(None, validation_alias="OTP_RUNBOOK_URL")
    private_hooks: OptionalText = Field(None, validation_alias="OTP_PRIVATE_HOOKS")
    trusted_proxies: OptionalText = Field(None, validation_alias="OTP_TRUSTED_PROXIES")

    change_notices: bool = Field(True, validation_alias="OTP_CHANGE_NOTICES")

    otlp_endpoint: OptionalText = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")

    is_child: bool = Field(False, validation_alias="OTP_IS_CHILD")  # `serve` sets it: it has told already

    master_keys: OptionalSecret = Field(None, validation_alias="OTP_MASTER_KEYS")
    master_keys_file: OptionalPath = Field(None, validation_alias="OTP_MASTER_KEYS_FILE")
    master_keys_command: OptionalText = Field(None, validation_alias="OTP_MASTER_KEYS_COMMAND")
    bootstrap_api_key: OptionalSecret = Field(None, validation_alias="OTP_BOOTSTRAP_API_KEY")

    issuer: str = Field("otp-fallback", validation_alias="OTP_ISSUER", min_length=1, max_length=64)
    brand_color: str = Field("#1f5fd6", validation_alias="OTP_BRAND_COLOR", pattern=r"^#[0-9a-fA-F]{6}$")
    brand_logo: OptionalPath = Field(None, validation_alias="OTP_BRAND_LOGO")
    return_urls: OptionalText = Field(None, validation_alias="OTP_RETURN_URLS")
    send_deadline: float = Field(3.0, validation_alias="OTP_SEND_DEADLINE", gt=0, le=30)
    delivery_deadline: float = Field(20.0, validation_alias="OTP_DELIVERY_DEADLINE", gt=0, le=600)
    durability: Literal["strict", "relaxed"] = Field("strict", validation_alias="OTP_DURABILITY")
    countries: OptionalText = Field(None, validation_alias="OTP_COUNTRIES")
    limit_address: str = Field("300/10m", validation_alias="OTP_LIMIT_ADDRESS")
    limit_application: str = Field("60000/1m", validation_alias="OTP_LIMIT_APPLICATION")
    limit_user: str = Field("120/1h", validation_alias="OTP_LIMIT_USER")
    limit_number: str = Field("60/1h", validation_alias="OTP_LIMIT_NUMBER")
    limit_prefix: str = Field("300/10m", validation_alias="OTP_LIMIT_PREFIX")
    limit_phone: str = Field("off", validation_alias="OTP_LIMIT_PHONE")
    limit_mail: str = Field("off", validation_alias="OTP_LIMIT_MAIL")
    max_attempts: int = Field(5, validation_alias="OTP_MAX_ATTEMPTS", ge=1, le=10)
    max_sends: int = Field(5, validation_alias="OTP_MAX_SENDS", ge=1, le=10)
    cool_down: str = Field("30,60,120", validation_alias="OTP_COOL_DOWN")
    failures_address: int = Field(10, validation_alias="OTP_FAILURES_ADDRESS", ge=1, le=100)
    failures_user: int = Field(20, validation_alias="OTP_FAILURES_USER", ge=1, le=100)
    failures_lock: int = Field(100, validation_alias="OTP_FAILURES_LOCK", ge=1, le=100)
    challenge_ttl: int = Field(600, validation_alias="OTP_CHALLENGE_TTL", ge=10, le=600)

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
    def _known_redis_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _scheme(value.get_secret_value(), REDIS_SCHEMES)
        return value

    @field_validator("smtp_url")
    @classmethod
    def _known_smtp_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            parts = _scheme(value.get_secret_value(), SMTP_SCHEMES)
            if not parts:
                raise ValueError("expected smtp://[user:password@]host[:port]")
        return value

    @field_validator("twilio_verify_base_url", "public_url", "status_url", "otlp_endpoint", "runbook_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not _scheme(value, ("http", "https")):
            raise ValueError("expected http(s)://host[:port]")
        return value.rstrip("/")

    @field_validator("brand_logo")
    @classmethod
    def _logo_fits(cls, value: Path | None) -> Path | None:
        if value is None:
            return None
        if value.suffix.lower() not in LOGO_TYPES:
            raise ValueError(f"expected a file that ends in {' or '.join(LOGO_TYPES)}")
        if not value.is_file():
            raise ValueError("no such file")
        if value.stat().st_size > LOGO_BYTES:
            raise ValueError(f"the file is larger than {LOGO_BYTES} bytes; pages have to be fast on a phone")
        return value

    @field_validator("return_urls")
    @classmethod
    def _return_urls_parse(cls, value: str | None) -> str | None:
        if value is not None:
            parse_return_urls(value)
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _trusted_proxies_parse(cls, value: str | None) -> str | None:
        if value is not None:
            TrustedProxies.parse(value)
        return value

    @field_validator("private_hooks")
    @classmethod
    def _private_hooks_parse(cls, value: str | None) -> str | None:
        if value is not None:
            parse_private_hosts(value)
        return value

    @field_validator("alert_urls")
    @classmethod
    def _alert_urls_have_a_form(cls, value: SecretStr | None) -> SecretStr | None:
        for number, entry in enumerate(value.get_secret_value().split() if value else (), 1):
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", entry):
                raise ValueError(f"number {number} is no URL such as slack://... or json://...")
        return value

    @field_validator("countries")
    @classmethod
    def _countries_parse(cls, value: str | None) -> str | None:
        Served.parse(value)
        return value

    @field_validator(
        *("limit_address", "limit_application", "limit_user", "limit_number", "limit_prefix"),
        *("limit_phone", "limit_mail"),
    )
    @classmethod
    def _rates_parse(cls, value: str) -> str:
        limit.Rate.parse(value)
        return value

    @field_validator("cool_down")
    @classmethod
    def _cool_down_parses(cls, value: str) -> str:
        if not re.fullmatch(r"\s*[0-9]{1,4}\s*(,\s*[0-9]{1,4}\s*){0,9}", value):
            raise ValueError("expected seconds between one message and the next, such as 30,60,120")
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
        if not self.failures_address <= self.failures_user <= self.failures_lock:
            faults.append(
                "expected OTP_FAILURES_ADDRESS <= OTP_FAILURES_USER <= OTP_FAILURES_LOCK,"
                " so that who guesses is stopped before the user is"
            )
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

    @property
    def uses_sandbox_mail(self) -> bool:
        """Whether mail goes to the sandbox's inbox. In production an unset `SMTP_URL` means no mail."""
        return self.smtp_url is None and self.env != "production"

    @property
    def uses_embedded_redis(self) -> bool:
        """Whether `serve` starts a Valkey server of its own."""
        return self.redis_url is None


def _scheme(url: str, allowed: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        if "," not in url:  # what is wrong with it may be a piece of the password: it is not told
            raise ValueError("not a URL; in user and password, percent-encode / ? # @ and :") from None
        parts = urlsplit(url.split(",", maxsplit=1)[0])
    if parts.scheme not in allowed:
        raise ValueError(f"expected a URL that starts with {' or '.join(f'{s}://' for s in allowed)}")
    return bool(parts.hostname)


def parse_master_keys(text: str) -> dict[str, bytes]:
    """Parse `kid:base64,kid:base64,...`, or a line each; the first one encrypts, all of them decrypt.

    Raises:
        ValueError: no key, a malformed entry, a repeated key id or a key that is not 32 bytes.

    """
    keys: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in re.split(r"[,\n]", text))):
        kid, colon, encoded = entry.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9_-]{1,16}", kid):
            raise ValueError(
                "expected kid:base64[,kid:base64...] with key ids of 1-16 letters, digits, _ or -"
            )
        if kid in keys:
            raise ValueError(f"key id {kid} stands twice")
        try:
            key = base64.b64decode(
                encoded + "=" * (-len(encoded) % 4),
                altchars=b"-_" if set("-_") & set(encoded) else None,
                validate=True,
            )
        except binascii.Error:
            raise ValueError(f"key {kid} is not base64") from None
        if len(key) != MASTER_KEY_BYTES:
            raise ValueError(
                f"key {kid} has {len(key)} bytes, expected {MASTER_KEY_BYTES} (openssl rand -base64 32)"
            )
        keys[kid] = key
    if not keys:
        raise ValueError("expected kid:base64[,kid:base64...]")
    return keys
