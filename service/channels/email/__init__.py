"""Codes by e-mail: ours, so they are checked here."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from importlib.resources import files

from babel.dates import format_datetime as format_locale_datetime
from jinja2 import Environment, StrictUndefined

from service.channels.base import Receipt, SendJob
from service.domain.channels import Channel
from service.domain.codes import derive_code
from service.domain.contacts import Email as EmailAddress
from service.domain.failures import FailureClass, Reason, SendFailure
from service.i18n import translate, translate_count
from service.providers.smtp import SmtpMailer

CODE_FAMILY = "email"


class Email:
    """The e-mail channel."""

    channel = Channel.EMAIL

    def __init__(self, mailer: SmtpMailer, *, codes_key: bytes, mail_from: str, issuer: str) -> None:
        self._mailer = mailer
        self._codes_key = codes_key
        self._mail_from = mail_from
        self._issuer = issuer
        folder = files("service.channels.email").joinpath("templates")
        # Both from one list of sentences; only the HTML one is escaped.
        self._text = _environment(escape=False).from_string(folder.joinpath("code.txt").read_text("utf-8"))
        self._html = _environment(escape=True).from_string(folder.joinpath("code.html").read_text("utf-8"))

    def send(self, job: SendJob) -> Receipt:
        """Mail the challenge's code. Raises `SendFailure`."""
        address = job.subject.email
        if address is None:
            raise SendFailure(FailureClass.RECIPIENT, Reason.UNDELIVERABLE, "no_address")
        code = derive_code(self._codes_key, job.challenge_id, CODE_FAMILY)
        self._mailer.send(self.compose(job, address, code), deadline=job.deadline)
        return Receipt(None, own_code=True)

    def compose(self, job: SendJob, address: EmailAddress, code: str) -> EmailMessage:
        """The message: plain text and HTML, code first."""
        locale = job.locale
        now = datetime.fromtimestamp(job.now / 1000, UTC)
        minutes = max(1, (job.expires_at - job.now) // 60_000)
        origin = job.subject.client_ip
        when = format_locale_datetime(now, "long", locale=locale)
        words = {
            "locale": locale,
            "issuer": self._issuer,
            "code": code,
            "heading": translate(locale, "Your code for %(issuer)s", issuer=self._issuer),
            "life": translate_count(
                locale,
                "It works once, for %(count)d minute.",
                "It works once, for %(count)d minutes.",
                minutes,
            ),
            "request": translate(locale, "Asked for on %(when)s from %(origin)s.", when=when, origin=origin)
            if origin
            else translate(locale, "Asked for on %(when)s.", when=when),
            "warning": translate(
                locale,
                "If this was not you, somebody may know your password: change it. "
                "Give this code to nobody; we never ask for it.",
            ),
        }
        message = EmailMessage()
        name, sender = parseaddr(self._mail_from)
        message["From"] = Address(display_name=name or self._issuer, addr_spec=sender)
        message["To"] = Address(addr_spec=address.address)
        message["Subject"] = translate(
            locale, "%(code)s is your code for %(issuer)s", code=code, issuer=self._issuer
        )
        message["Date"] = format_datetime(now)
        message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2] or None)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message["Content-Language"] = locale
        message.set_content(self._text.render(words))
        message.add_alternative(self._html.render(words), subtype="html")
        return message


def _environment(*, escape: bool) -> Environment:
    return Environment(autoescape=escape, undefined=StrictUndefined, trim_blocks=True)  # noqa: S701 - plain text
