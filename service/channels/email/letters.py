"""What every letter has: two parts from one list of words, and the headers of mail that a program wrote."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid, parseaddr
from importlib.resources import files

from babel import Locale
from jinja2 import Environment, FunctionLoader, StrictUndefined

from service.domain.contacts import Email as EmailAddress


class Letters:
    """Writes letters in one installation's name."""

    def __init__(self, *, mail_from: str, issuer: str) -> None:
        self.issuer = issuer
        name, self._sender = parseaddr(mail_from)
        self._from = Address(display_name=name or issuer, addr_spec=self._sender)
        # Both parts from one list of sentences; only the HTML one is escaped.
        self._text, self._html = _environment(escape=False), _environment(escape=True)

    def write(
        self,
        template: str,
        to: EmailAddress,
        locale: str,
        *,
        subject: str,
        now: int,
        words: Mapping[str, object],
    ) -> EmailMessage:
        """A letter of plain text and HTML.

        Args:
            template: its name in `templates/`, without the suffix.
            to: the address.
            locale: its language.
            subject: already in that language.
            now: ms.
            words: what the template says, already in that language.
        """
        words = {
            "locale": locale,
            "dir": Locale.parse(locale).text_direction,
            "issuer": self.issuer,
            **words,
        }
        message = EmailMessage()
        message["From"] = self._from
        message["To"] = Address(addr_spec=to.address)
        message["Subject"] = subject
        message["Date"] = format_datetime(datetime.fromtimestamp(now / 1000, UTC))
        message["Message-ID"] = make_msgid(domain=self._sender.rpartition("@")[2] or None)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(self._text.get_template(f"{template}.txt").render(words))
        message.add_alternative(self._html.get_template(f"{template}.html").render(words), subtype="html")
        message["Content-Language"] = locale  # last: new content clears what is said of the old
        return message


def _environment(*, escape: bool) -> Environment:
    folder = files("service.channels.email").joinpath("templates")
    return Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text("utf-8")),
        autoescape=escape,  # noqa: S701 - plain text has no markup
        undefined=StrictUndefined,
        trim_blocks=True,
        auto_reload=False,
    )
