"""Checks of mail. The server is talked to until it has accepted the sender; no mail is sent."""

import smtplib
import ssl
from email.utils import parseaddr

from service.domain.contacts import Email
from service.domain.errors import InvalidInput
from service.providers.smtp import SmtpMailer, SmtpServer
from service.runtime.doctor.finding import Finding, fail, ok, skip, warn
from service.runtime.doctor.site import PATIENCE, Site
from service.settings import Settings

# A kind of error stands before the wider ones.
_EXPLAINED: tuple[tuple[type[Exception], str, str], ...] = (
    (
        smtplib.SMTPAuthenticationError,
        "refuses the login",
        "set user and password in SMTP_URL, percent-encoded",
    ),
    (smtplib.SMTPSenderRefused, "refuses mail", "set MAIL_FROM to an address that it lets this login use"),
    (smtplib.SMTPResponseException, "answers with an error", "look at the mail server's log"),
    (
        smtplib.SMTPNotSupportedError,
        "offers no STARTTLS, or no login",
        "smtps:// if it speaks TLS from the start; ?tls=off only for a relay in a trusted network",
    ),
    (
        ssl.SSLCertVerificationError,
        "has a certificate that is not trusted here",
        "name the host in SMTP_URL as its certificate does; install its CA on this machine",
    ),
    (
        ssl.SSLError,
        "does not speak TLS as expected",
        "smtps:// speaks TLS from the start (465), smtp:// upgrades by STARTTLS (587)",
    ),
    (
        smtplib.SMTPServerDisconnected,
        "hangs up or falls silent",
        "look at the mail server's log; at 465 it is smtps://, not smtp://",
    ),
    (
        TimeoutError,
        "does not answer",
        "let a firewall pass host and port of SMTP_URL; at 465 it is smtps://, not smtp://",
    ),
    (OSError, "can't be reached", "check host and port in SMTP_URL, and that it runs"),
)


def smtp_server(settings: Settings) -> SmtpServer | None:
    """Where mail is delivered to; `None` where that is not set."""
    return SmtpServer.parse(settings.smtp_url.get_secret_value()) if settings.smtp_url else None


def server(site: Site) -> Finding:
    """Whether the server lets us in and takes mail from `MAIL_FROM`."""
    found = smtp_server(site.settings)
    if found is None:
        if site.settings.env == "production":
            return warn(
                "SMTP_URL is unset: there is no e-mail channel, and users are not told of changes",
                "set SMTP_URL and MAIL_FROM",
            )
        return skip("SMTP_URL is unset: the sandbox is used, once `serve` runs")
    sender, place = parseaddr(site.settings.mail_from)[1], f"{found.host}:{found.port}"
    try:
        SmtpMailer(found).try_out(sender, deadline=PATIENCE)
    except (smtplib.SMTPException, OSError) as error:
        what, mend = _explained(error, sender)
        return fail(f"{place} {what}", mend)
    login = "" if found.username is None else "the login and "
    return ok(f"{place} accepts {login}mail from {sender}")


def mail_from(site: Site) -> Finding:
    """Whether `MAIL_FROM` is an address that mail servers take."""
    given = site.settings.mail_from
    try:
        address = Email.parse(parseaddr(given)[1]).address
    except InvalidInput:
        return fail("MAIL_FROM is not an address", "set it like 'Shop <login@shop.example>'")
    if site.given.smtp_url is not None and address.endswith("@localhost"):
        return warn(
            f"mail comes from {address}, which most servers refuse or take for spam",
            "set MAIL_FROM to an address of a domain of yours, with SPF and DKIM",
        )
    return ok(f"mail comes from {address}")


def _explained(error: Exception, sender: str) -> tuple[str, str]:
    """What is wrong, and how to mend it; never the server's own text, which may quote the login."""
    what, mend = next((what, mend) for kind, what, mend in _EXPLAINED if isinstance(error, kind))
    if isinstance(error, smtplib.SMTPSenderRefused):
        what += f" from {sender}"
    if isinstance(error, smtplib.SMTPResponseException):
        what += f" ({error.smtp_code})"
    if isinstance(error, ssl.SSLCertVerificationError):
        what += f": {error.verify_message}"
    return what, mend
