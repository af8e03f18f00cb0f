"""A user: contacts and factors."""

from msgspec import Struct

from service.domain.channels import Channel
from service.domain.contacts import Email, Phone
from service.domain.totp import DIGITS, PERIOD, Algorithm, matching_step


class TotpFactor(Struct, frozen=True):
    """An enrolled authenticator app. Times in ms; `last_step` is the newest time step already used."""

    id: str
    secret: str
    created_at: int
    label: str | None = None
    device_name: str | None = None
    algorithm: Algorithm = "SHA1"
    digits: int = DIGITS
    period: int = PERIOD
    last_step: int = 0
    last_used_at: int = 0

    def step_of(self, code: str, now: int) -> int | None:
        """The time step around now (ms) for which the app shows this code, used up or not; or `None`."""
        return matching_step(
            self.secret, code, now, algorithm=self.algorithm, digits=self.digits, period=self.period
        )

    def __repr__(self) -> str:
        return f"TotpFactor({self.id})"


class User(Struct, frozen=True):
    """What is known of one user of one application. `key` is the keyed hash that stands for the id."""

    key: str
    application: str
    user_id: str
    phone: Phone | None = None
    email: Email | None = None
    locale: str | None = None  # for letters that no request asks for
    totp: tuple[TotpFactor, ...] = ()
    backup_codes: tuple[str, ...] = ()  # keyed hashes
    backup_codes_at: int = 0
    version: int = 0

    def enrolled(self, channel: Channel) -> bool:
        """Whether the user can answer by a channel at all."""
        match channel:
            case Channel.TOTP:
                return bool(self.totp)
            case Channel.BACKUP_CODE:
                return bool(self.backup_codes)
            case Channel.EMAIL:
                return self.email is not None
            case _:
                return self.phone is not None

    def __repr__(self) -> str:
        return f"User({self.key})"
