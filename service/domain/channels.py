"""The channels: ways to answer a challenge, and what each is worth."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

Assurance = Literal["aal1", "aal2"]

PRIMARY_PROVIDER = "twilio_verify"


class Channel(StrEnum):
    """A way to answer a challenge."""

    SMS = "sms"
    VOICE = "voice"
    WHATSAPP = "whatsapp"
    EMAIL = "email"
    TOTP = "totp"
    BACKUP_CODE = "backup_code"


@dataclass(frozen=True, slots=True)
class Traits:
    """What the rest of the service needs to know of a channel.

    Attributes:
        provider: who carries it, `None` when nothing is sent.
        contact: where it goes.
        amr: authentication methods references (RFC 8176, registered words only).
        assurance: the NIST SP 800-63B-4 level an approval is worth.
        restricted: a *restricted* authenticator there: tied to the telephone network.
        paid: each send costs money, and may be what a toll fraudster is after.

    """

    provider: str | None
    contact: Literal["phone", "email"] | None
    amr: tuple[str, ...]
    assurance: Assurance
    restricted: bool = False
    paid: bool = False

    @property
    def delivered(self) -> bool:
        """Whether something must be sent before the user can answer."""
        return self.provider is not None


# E-mail does not prove possession of a device (SP 800-63B-4, out-of-band authenticators), hence aal1.
TRAITS = MappingProxyType(
    {
        Channel.SMS: Traits(PRIMARY_PROVIDER, "phone", ("sms",), "aal2", restricted=True, paid=True),
        Channel.VOICE: Traits(PRIMARY_PROVIDER, "phone", ("tel",), "aal2", restricted=True, paid=True),
        Channel.WHATSAPP: Traits(PRIMARY_PROVIDER, "phone", ("otp",), "aal2", restricted=True, paid=True),
        Channel.EMAIL: Traits("smtp", "email", ("otp",), "aal1"),
        Channel.TOTP: Traits(None, None, ("otp",), "aal2"),
        Channel.BACKUP_CODE: Traits(None, None, ("otp",), "aal2"),
    }
)

# Who has a phone is asked by SMS first; what costs a user least effort comes next, what is scarce last.
DEFAULT_ORDER = (Channel.SMS, Channel.TOTP, Channel.EMAIL, Channel.BACKUP_CODE)


def reaches(assurance: Assurance, minimum: Assurance) -> bool:
    """Whether `assurance` is at least `minimum`."""
    return assurance >= minimum  # "aal1" < "aal2" < "aal3" also as text
