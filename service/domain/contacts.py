"""Phone numbers and e-mail addresses: parsed and normalised once, masked for display."""

from dataclasses import dataclass, field
from typing import Self

import email_validator
import phonenumbers

from service.domain.errors import FieldFault, InvalidInput

# Intranets and test set-ups use these; whether mail arrives there is for the mail server to say.
for _name in ("local", "localhost", "test"):
    if _name in email_validator.SPECIAL_USE_DOMAIN_NAMES:
        email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(_name)


@dataclass(frozen=True, slots=True)
class Phone:
    """A telephone number.

    Attributes:
        e164: in E.164 form (`+14155550123`).
        calling_code: its country's (`+1`).
        kind: its type (`phonenumbers.PhoneNumberType`), where that was looked up before.
    """

    e164: str
    calling_code: str
    kind: int | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, text: str, field: str = "phone") -> Self:
        """Parse an international number.

        Lengths are checked, allocation is not: numbering plans change faster than any table of them, and
        the provider has the last word.

        Raises:
            InvalidInput: no possible number, or not in international form.

        """
        fault = FieldFault(field, "expected an international phone number such as +14155550123")
        if len(text) > 32 or not text.lstrip().startswith("+"):
            raise InvalidInput(fault)
        try:
            number = phonenumbers.parse(text, None)
        except phonenumbers.NumberParseException:
            raise InvalidInput(fault) from None
        if not phonenumbers.is_possible_number(number) or number.extension:
            raise InvalidInput(fault)
        e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        return cls(e164, f"+{number.country_code}")

    def masked(self) -> str:
        """The number with at least three digits hidden: `+1415***0123`."""
        national = self.e164[len(self.calling_code) :]
        last = min(4, max(0, len(national) - 3))
        first = min(3, max(0, len(national) - 3 - last))
        return f"{self.calling_code}{national[:first]}***{national[len(national) - last :]}"

    def __repr__(self) -> str:
        return f"Phone({self.masked()})"


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail address, its domain in lower case and Unicode normalised."""

    address: str

    @classmethod
    def parse(cls, text: str, field: str = "email") -> Self:
        """Parse an address; whether its domain receives mail is not asked.

        Raises:
            InvalidInput: not an address.

        """
        try:
            if len(text) > 254:
                raise email_validator.EmailSyntaxError("too long")
            checked = email_validator.validate_email(
                text, check_deliverability=False, globally_deliverable=False
            )
            if "." not in checked.domain and checked.domain != "localhost":
                raise email_validator.EmailSyntaxError("no period")
        except email_validator.EmailNotValidError:
            raise InvalidInput(
                FieldFault(field, "expected an e-mail address such as alice@example.com")
            ) from None
        return cls(checked.normalized)

    def masked(self) -> str:
        """The address with its local part hidden but for the first letter: `a***@example.com`."""
        local, _, domain = self.address.rpartition("@")
        return f"{local[:1]}***@{domain}"

    def __repr__(self) -> str:
        return f"Email({self.masked()})"


def contact(text: str, field: str) -> Phone | Email:
    """A number or an address, by how it looks. Raises `InvalidInput`."""
    return Email.parse(text, field) if "@" in text else Phone.parse(text, field)
