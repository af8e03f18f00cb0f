"""Sending mail by SMTP: connections reused, TLS verified, every exchange bounded."""

import smtplib
import ssl
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

from service.deadline import DeadlineExceeded, within
from service.domain.failures import FailureClass, Reason, SendFailure

IDLE_CONNECTIONS = 16  # kept per process
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where to deliver mail to.

    `smtps://` speaks TLS from the start; `smtp://` upgrades by STARTTLS, and refuses to go on without it,
    except on this machine or with `?tls=off` (a relay inside a trusted network), so that nobody in
    between can strip it. Ports default to 465 and 587.
    """

    host: str
    port: int
    implicit_tls: bool
    starttls: bool
    username: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an `SMTP_URL`."""
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        implicit = parts.scheme == "smtps"
        plain = host in _LOOPBACK or parse_qs(parts.query).get("tls") == ["off"]
        return cls(
            host=host,
            port=parts.port or (465 if implicit else 587),
            implicit_tls=implicit,
            starttls=not implicit and not plain,
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port})"


class SmtpMailer:
    """Delivers messages to one server."""

    name = "smtp"

    def __init__(self, server: SmtpServer) -> None:
        self._server = server
        self._tls = ssl.create_default_context()
        self._idle: deque[smtplib.SMTP] = deque(maxlen=IDLE_CONNECTIONS)

    def send(self, message: EmailMessage, *, deadline: float) -> None:
        """Hand a message over.

        Raises:
            SendFailure: it was not accepted, or nobody knows.
        """
        try:
            within(deadline, lambda: self._deliver(message, deadline))
        except DeadlineExceeded:
            self._distrust_idle()
            raise SendFailure(
                FailureClass.PROVIDER_FAULT, Reason.DEADLINE, "timeout", maybe_sent=True
            ) from None
        except smtplib.SMTPRecipientsRefused as error:
            status = next(iter(error.recipients.values()))[0]
            raise _recipient_failure(status) from None
        except smtplib.SMTPAuthenticationError as error:
            raise SendFailure(FailureClass.ACCOUNT, Reason.PROVIDER_ERROR, str(error.smtp_code)) from None
        except smtplib.SMTPResponseException as error:
            raise SendFailure(
                FailureClass.PROVIDER_FAULT, Reason.PROVIDER_ERROR, str(error.smtp_code)
            ) from None
        except ssl.SSLError:
            raise SendFailure(FailureClass.PROVIDER_FAULT, Reason.PROVIDER_ERROR, "tls") from None
        except smtplib.SMTPNotSupportedError:  # no STARTTLS, no AUTH, no SMTPUTF8
            raise SendFailure(FailureClass.PROVIDER_FAULT, Reason.PROVIDER_ERROR, "not_supported") from None
        except (OSError, smtplib.SMTPException, UnicodeError):
            raise SendFailure(FailureClass.PROVIDER_FAULT, Reason.PROVIDER_ERROR, "connection") from None

    def try_out(self, sender: str, *, deadline: float) -> None:
        """Connect, log in and name a sender, as for a mail; none is sent.

        Args:
            sender: the address that mails come from.
            deadline: seconds that each wait may take.

        Raises:
            SMTPException: the server refuses, or lacks what is needed.
            OSError: it can't be reached, or not by TLS.
        """
        connection = self._connect(deadline)
        try:
            connection.ehlo_or_helo_if_needed()
            status, text = connection.mail(sender)
            if status != 250:
                raise smtplib.SMTPSenderRefused(status, text, sender)
            connection.rset()
            connection.quit()
        finally:
            connection.close()

    def _deliver(self, message: EmailMessage, timeout: float) -> None:
        connection = self._reuse() or self._connect(timeout)
        try:
            connection.send_message(message)
        except smtplib.SMTPRecipientsRefused:
            self._keep(connection)  # the server is well, only this address is not
            raise
        except BaseException:
            connection.close()
            raise
        self._keep(connection)

    def _reuse(self) -> smtplib.SMTP | None:
        """An idle connection that still answers; servers close them after a while."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            with suppress(smtplib.SMTPException, OSError):
                if connection.noop()[0] == 250:
                    return connection
            connection.close()

    def _keep(self, connection: smtplib.SMTP) -> None:
        if len(self._idle) == IDLE_CONNECTIONS:
            connection.close()
        else:
            self._idle.append(connection)

    def _distrust_idle(self) -> None:
        """The server went silent: connections that wait for work may be dead, and would cost a mail each."""
        while self._idle:
            self._idle.pop().close()

    def _connect(self, timeout: float) -> smtplib.SMTP:
        server = self._server
        connection: smtplib.SMTP
        if server.implicit_tls:
            connection = smtplib.SMTP_SSL(server.host, server.port, timeout=timeout, context=self._tls)
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=timeout)
        try:
            if server.starttls:
                connection.starttls(context=self._tls)
            if server.username is not None:
                connection.login(server.username, server.password or "")
        except BaseException:
            connection.close()
            raise
        return connection


def _recipient_failure(status: int) -> SendFailure:
    if status < 500:  # greylisting, a full mailbox: not now
        return SendFailure(FailureClass.THROTTLED, Reason.PROVIDER_ERROR, str(status))
    return SendFailure(FailureClass.RECIPIENT, Reason.UNDELIVERABLE, str(status))
