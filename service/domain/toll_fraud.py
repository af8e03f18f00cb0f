"""Toll fraud: messages asked for so that somebody earns by them (SMS pumping).

Three guards. Numbers whose calls are shared revenue, and countries nobody serves, get no message. A block of
numbers gets so many messages in a while and no more (`Limits.prefix`). And pumping never converts: a block is
suspected once so many of its numbers had time to answer and less than a tenth did, though the route is
healthy; then its users are asked for another factor, those excepted whose number has answered before.
In an outage nothing converts either, but then the route opens first: it needs fewer matured sends than this.
"""

from dataclasses import dataclass, field
from typing import Self

import phonenumbers
from phonenumbers import PhoneNumberType

from service.domain.contacts import Phone
from service.domain.text import is_calling_code

BLOCK_DIGITS = 4  # left off a number: what is sold to one customer is mostly blocks of 10 000
SUSPECT_AFTER = 20  # numbers that had time to answer and did not; the silence test opens a route within 15
ONE_IN = 10  # numbers answer at least where people log in
MATURE = 90_000  # ms, as for the silence test
REMEMBERED = 3_600_000  # ms that a message, or an answer, counts
SUSPECTED = 3_600_000  # ms the first time; twice as long each time it comes again within a day
SUSPECTED_AT_MOST = 12 * 3_600_000  # ms, which is how long Twilio's Fraud Guard blocks a prefix
TRUSTED = 90 * 86_400_000  # ms that a number which answered is excepted from suspicion

_EARNING = frozenset(
    {
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.UAN,
        PhoneNumberType.VOICEMAIL,
        PhoneNumberType.PAGER,
        PhoneNumberType.PERSONAL_NUMBER,  # such as +44 70
    }
)
# Satellites and networks that are no country's, of which pumpers are fond; and International Premium Rate
# (ITU-T E.164, assigned codes). The former may be named in `OTP_COUNTRIES`.
_NOWHERE = frozenset({"+870", "+881", "+882", "+883"})
_PREMIUM = "+979"
PLANS = phonenumbers.__version__  #: of the tables of numbering plans; another version's types may be others


@dataclass(frozen=True, slots=True)
class Served:
    """The countries that messages are sent to. `None`: all.

    Countries are regions (`US`) or calling codes (`+49`): `+1` is 25 countries, some of them dear.
    """

    countries: frozenset[str] | None = field(default=None)

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read `US, CA, +49`; nothing means all.

        Raises:
            ValueError: one is neither a region nor a calling code.
        """
        names = [part.strip().upper() for part in (text or "").split(",") if part.strip()]
        for name in names:
            if not is_calling_code(name) and name not in phonenumbers.SUPPORTED_REGIONS:
                raise ValueError(f"expected regions such as US or calling codes such as +49; got {name[:8]}")
        return cls(frozenset(names) or None)

    def takes(self, phone: Phone) -> bool:
        """Whether messages may be sent to a number."""
        if earns(phone):
            return False
        if self.countries is None:
            return phone.calling_code not in _NOWHERE
        if phone.calling_code in self.countries:
            return True
        # Of numbers that no plan has yet, the region that the calling code is mostly for.
        mostly = phonenumbers.region_code_for_country_code(int(phone.calling_code))
        region = phonenumbers.region_code_for_number(phonenumbers.parse(phone.e164))
        return (region or mostly) in self.countries


EVERYWHERE = Served()


def earns(phone: Phone) -> bool:
    """Whether somebody is paid for what is sent to a number: premium rate, shared cost and the like."""
    return phone.calling_code == _PREMIUM or kind_of(phone) in _EARNING


def kind_of(phone: Phone) -> int:
    """A number's type (`PhoneNumberType`). To look it up takes as long as to open a user's record."""
    if phone.kind is not None:
        return phone.kind
    return int(phonenumbers.number_type(phonenumbers.parse(phone.e164)))


def block_of(phone: Phone) -> str:
    """The block that a number is in: `+1415555` for `+14155550123`."""
    return phone.e164[: max(len(phone.calling_code), len(phone.e164) - BLOCK_DIGITS)]
