"""The mail sink: an SMTP server that takes every mail, puts it in the inbox and sends it nowhere.

It runs in a thread of its own, on asyncio; the inbox and the failures are safe to use from there.
"""

import asyncio
import logging
import socket
import struct
import threading
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as default_policy
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

from service.sandbox.failures import Failures, Rule, Subject
from service.sandbox.messages import Messages, find_code
from service.sandbox.tally import Tally

MAX_SIZE = 5_000_000  #: bytes of one mail
IDLE = 3600.0  #: seconds a connection may be silent; long, so that a hang is ended by the client

logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd's; it reports every broken connection


class Mail(Envelope):
    """A mail being received, and the failure chosen for it."""

    rule: Rule | None = None


class Sink:
    """aiosmtpd's handler: what to do with each mail."""

    def __init__(self, messages: Messages, failures: Failures, tally: Tally) -> None:
        self._messages = messages
        self._failures = failures
        self._tally = tally
        self._held: dict[asyncio.Event, int] = {}

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name, as are the next ones
        self, _server: SMTP, _session: Session, envelope: Mail, address: str, options: list[str]
    ) -> str:
        """A mail begins: one rule is chosen for all of it."""
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        self._tally.asked("mail")
        rule = envelope.rule = self._failures.choose("mail", lambda: Subject("", "email"))
        if rule and rule.kind != "mail_slow":
            self._tally.done("mail", ok=False)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Mail, address: str, options: list[str]
    ) -> str:
        """A recipient is named."""
        rule = envelope.rule
        if rule and rule.kind == "mail_550":
            return "550 5.1.1 Recipient refused by the sandbox"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Mail) -> str:  # noqa: N802
        """The mail is here."""
        rule = envelope.rule
        if rule and rule.kind == "mail_451":
            return "451 4.3.0 Temporary failure chosen in the sandbox"
        if rule and rule.kind == "mail_hang":
            await self._hang(server, rule)
        if rule and rule.kind == "mail_slow":
            await asyncio.sleep(rule.delay)
        self._keep(envelope)
        self._tally.done("mail", ok=True)
        return "250 2.0.0 Kept in the sandbox"

    async def _hang(self, server: SMTP, rule: Rule) -> None:
        """Wait until the client leaves, which cancels this, or the rule is lifted, which resets it."""
        lifted = asyncio.Event()
        if rule not in self._failures.list():  # lifted since the mail began
            lifted.set()
        self._held[lifted] = rule.id
        try:
            await lifted.wait()
        finally:
            del self._held[lifted]
        if isinstance(server.transport, asyncio.Transport):
            connection = server.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            server.transport.abort()
        raise ConnectionResetError

    def release(self, rule_id: int | None) -> None:
        """Break off what a rule holds, or everything. Mail thread only."""
        for lifted, holder in self._held.items():
            if rule_id in {None, holder}:
                lifted.set()

    def _keep(self, envelope: Mail) -> None:
        mail = message_from_bytes(envelope.original_content or b"", policy=default_policy)
        text, html, subject = _body(mail, "plain"), _body(mail, "html"), str(mail.get("Subject", ""))
        for recipient in envelope.rcpt_tos:
            self._messages.add(
                channel="email",
                to=recipient,
                sender=str(mail.get("From") or envelope.mail_from or ""),
                subject=subject,
                text=text or "",
                html=html,
                headers={name: str(value) for name, value in mail.items()},
                code=find_code(subject, text, html),
            )


def _body(mail: EmailMessage, kind: str) -> str | None:
    part = mail.get_body((kind,))
    if part is None:
        return None
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError):  # a character set nobody knows
        return bytes(cast("Any", part.get_payload(decode=True)) or b"").decode("utf-8", "replace")


class Protocol(SMTP):
    """One SMTP connection."""

    def _create_envelope(self) -> Mail:
        return Mail()


class MailServer:
    """The SMTP server and its thread; ``port`` 0 picks a free one."""

    def __init__(self, sink: Sink, host: str, port: int) -> None:
        self._sink = sink
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=512)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="mail", daemon=True)

    def start(self) -> None:
        """Begin to answer; connections made before wait in the socket's queue."""
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._loop.create_server(self._protocol, sock=self._socket))
        self._loop.run_forever()

    def _protocol(self) -> SMTP:
        return Protocol(
            self._sink,
            loop=self._loop,
            enable_SMTPUTF8=True,
            hostname="sandbox",
            data_size_limit=MAX_SIZE,
            timeout=IDLE,
        )

    def release(self, rule_id: int | None = None) -> None:
        """Break off mails that a rule holds, or all that are held. Any thread."""
        self._loop.call_soon_threadsafe(self._sink.release, rule_id)

    def stop(self) -> None:
        """Stop answering, whoever is still connected."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=1)
        self._socket.close()
