"""Notices by e-mail that something changed in how a user signs in."""

from collections.abc import Mapping

from service.channels.email.letters import Letters
from service.domain.contacts import Email as EmailAddress
from service.domain.notices import N_
from service.i18n import DEFAULT, moment, translate, translate_count
from service.providers.smtp import SmtpMailer

DEADLINE = 10.0  # seconds; the worker sends them, nobody waits

# What happened, by the event's type; for changed contacts, by which of them.
HEADINGS: Mapping[str, str] = {
    "factor.enrolled": N_("An authenticator app was added"),
    "factor.removed": N_("An authenticator app was removed"),
    "backup_codes.renewed": N_("New backup codes were made"),
    "backup_code.used": N_("A backup code was used"),
    "contacts.changed/email": N_("Your e-mail address was changed"),
    "contacts.changed/phone": N_("Your phone number was changed"),
    "user.reset": N_("Your ways to sign in were removed"),
    "user.deleted": N_("Your ways to sign in were removed"),
}


class ChangeNotices:
    """Tells users of changes."""

    def __init__(self, mailer: SmtpMailer, letters: Letters) -> None:
        self._mailer = mailer
        self._letters = letters

    def send(
        self,
        kind: str,
        to: EmailAddress,
        locale: str | None,
        *,
        at: int,
        now: int,
        codes_left: int | None = None,
    ) -> None:
        """Mail one.

        Args:
            kind: a key of `HEADINGS`.
            to: an address that the user had before the change.
            locale: the user's language, where it is known.
            at: when it happened (ms).
            now: ms.
            codes_left: how many backup codes are left, where that is what changed.

        Raises:
            SendFailure: the mail server did not take it.
        """
        language, issuer = locale or DEFAULT, self._letters.issuer
        heading = translate(language, HEADINGS[kind])
        left = (
            translate_count(language, "%(count)d code is left.", "%(count)d codes are left.", codes_left)
            if codes_left is not None
            else None
        )
        letter = self._letters.write(
            "change",
            to,
            language,
            subject=f"{issuer}: {heading}",
            now=now,
            words={
                "heading": heading,
                "left": left,
                "what": translate(
                    language,
                    "It was done on %(when)s, for your account at %(issuer)s.",
                    when=moment(at, language),
                    issuer=issuer,
                ),
                "if_you": translate(language, "If it was you, there is nothing to do."),
                "if_not_you": translate(
                    language,
                    "If it was not you, sign in and look after your account at once, or contact support.",
                ),
            },
        )
        self._mailer.send(letter, deadline=DEADLINE)
