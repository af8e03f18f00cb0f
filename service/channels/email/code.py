"""Codes by e-mail: ours, so they are checked here."""

from email.message import EmailMessage

from service.channels.base import Receipt, SendJob
from service.channels.email.letters import Letters
from service.channels.email.mailboxes import Mailboxes
from service.domain.channels import Channel
from service.domain.codes import derive_code
from service.domain.contacts import Email as EmailAddress
from service.domain.failures import FailureClass, Reason, SendFailure
from service.i18n import moment, translate, translate_count
from service.providers.smtp import SmtpMailer

CODE_FAMILY = "email"


class Email:
    """The e-mail channel."""

    channel = Channel.EMAIL

    def __init__(
        self, mailer: SmtpMailer, letters: Letters, mailboxes: Mailboxes, *, codes_key: bytes
    ) -> None:
        self._mailer = mailer
        self._letters = letters
        self._mailboxes = mailboxes
        self._codes_key = codes_key

    def send(self, job: SendJob) -> Receipt:
        """Mail the challenge's code. Raises `SendFailure`."""
        address = job.subject.email
        if address is None:
            raise SendFailure(FailureClass.RECIPIENT, Reason.UNDELIVERABLE, "no_address")
        self._mailboxes.take(address, job.origin, job.now)
        code = derive_code(self._codes_key, job.challenge_id, CODE_FAMILY)
        self._mailer.send(self.compose(job, address, code), deadline=job.deadline)
        return Receipt(None, own_code=True)

    def compose(self, job: SendJob, address: EmailAddress, code: str) -> EmailMessage:
        """The letter, code first."""
        locale, issuer = job.locale, self._letters.issuer
        minutes = max(1, (job.expires_at - job.now) // 60_000)
        when, origin = moment(job.now, locale), job.subject.client_ip
        return self._letters.write(
            "code",
            address,
            locale,
            subject=translate(locale, "%(code)s is your code for %(issuer)s", code=code, issuer=issuer),
            now=job.now,
            words={
                "code": code,
                "heading": translate(locale, "Your code for %(issuer)s", issuer=issuer),
                "life": translate_count(
                    locale,
                    "It works once, for %(count)d minute.",
                    "It works once, for %(count)d minutes.",
                    minutes,
                ),
                "request": translate(
                    locale, "Asked for on %(when)s from %(origin)s.", when=when, origin=origin
                )
                if origin
                else translate(locale, "Asked for on %(when)s.", when=when),
                "warning": translate(
                    locale,
                    "If this was not you, somebody may know your password: change it. "
                    "Give this code to nobody; we never ask for it.",
                ),
            },
        )
