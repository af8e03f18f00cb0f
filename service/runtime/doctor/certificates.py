"""Checks of TLS certificates: how long they are still good."""

import smtplib
import socket
import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from cryptography import x509

from service.runtime.doctor import mail, redis
from service.runtime.doctor.finding import Finding, fail, ok, skip, warn
from service.runtime.doctor.site import PATIENCE, Site

SOON = 21  # days
DAY = 86_400_000  # ms


def twilio(site: Site) -> Finding:
    """Twilio's."""
    account, url = site.settings.twilio_account_sid, site.settings.twilio_verify_base_url
    return _told(site, _of_url(url if account is not None else None), _presented)


def public_url(site: Site) -> Finding:
    """Ours, as users see it."""
    return _told(site, _of_url(site.settings.public_url), _presented)


def redis_server(site: Site) -> Finding:
    """The Redis server's."""
    return _told(site, redis.certificate_place(site), _presented)


def smtp(site: Site) -> Finding:
    """The mail server's."""
    server = mail.smtp_server(site.settings)
    if server is None or not (server.implicit_tls or server.starttls):
        return skip("no TLS there")
    look = _presented if server.implicit_tls else _presented_after_starttls
    return _told(site, (server.host, server.port), look)


def _told(site: Site, place: tuple[str, int] | None, look: Callable[[str, int], bytes | None]) -> Finding:
    """How long the certificate at a place is good. Whether it is trusted, those that use it find out."""
    if place is None:
        return skip("no TLS there")
    try:
        presented = look(*place)
    except (OSError, smtplib.SMTPException):
        presented = None
    if presented is None:
        return skip(f"{place[0]}:{place[1]} shows none to this machine")
    ends = x509.load_der_x509_certificate(presented).not_valid_after_utc
    days = int((ends.timestamp() * 1000 - site.clock()) // DAY)
    mend = "renew it, and see why it was not renewed by itself"
    if days < 0:
        return fail(f"the certificate of {place[0]} ended on {ends:%Y-%m-%d}", mend)
    told = f"the certificate of {place[0]} is good for {days} days"
    return warn(told, mend) if days < SOON else ok(told)


def _of_url(url: str | None) -> tuple[str, int] | None:
    parts = urlsplit(url or "")
    return (parts.hostname or "", parts.port or 443) if parts.scheme == "https" else None


def _untrusting() -> ssl.SSLContext:
    """Takes any certificate: an ended one is to be looked at too, and nothing is sent over it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _presented(host: str, port: int) -> bytes | None:
    with (
        socket.create_connection((host, port), timeout=PATIENCE) as plain,
        _untrusting().wrap_socket(plain, server_hostname=host) as connection,
    ):
        return connection.getpeercert(binary_form=True)


def _presented_after_starttls(host: str, port: int) -> bytes | None:
    with smtplib.SMTP(host, port, timeout=PATIENCE) as connection:
        connection.starttls(context=_untrusting())
        assert isinstance(connection.sock, ssl.SSLSocket)  # noqa: S101 - it is one by now
        return connection.sock.getpeercert(binary_form=True)
