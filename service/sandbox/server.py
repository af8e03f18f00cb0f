"""The sandbox put together and run: Flask on gevent for HTTP, aiosmtpd in a thread for mail.

Nothing is monkey-patched, so whatever a request waits for must be gevent's.
"""

import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import gevent
from flask import Flask
from gevent.event import Event
from gevent.pywsgi import WSGIHandler, WSGIServer

from service.sandbox import control, inbox
from service.sandbox.api import VerifyApi
from service.sandbox.attempts import Attempts
from service.sandbox.failures import Failures
from service.sandbox.gate import Account, Gate
from service.sandbox.guard import guard
from service.sandbox.mail import MailServer, Sink
from service.sandbox.messages import Messages
from service.sandbox.misbehave import CONNECTION, Held
from service.sandbox.provider import Provider
from service.sandbox.storage import Database
from service.sandbox.tally import Tally

MAX_BODY = 1_000_000  #: bytes of one HTTP request


class Handler(WSGIHandler):
    """Shows the application its connection, for failures below HTTP."""

    def handle(self) -> None:
        """Serve one connection, without Nagle's wait: headers and body are written apart."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().handle()

    def get_environ(self) -> dict[str, object]:
        """The WSGI environment of one request."""
        environ: dict[str, object] = super().get_environ()
        environ[CONNECTION] = self.socket
        return environ


def run(
    host: str,
    http_port: int,
    smtp_port: int,
    database_path: Path,
    *,
    account_sid: str,
    auth_token: str,
    service_sid: str,
    ready: Callable[[int, int], None],
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        host: address to listen on, for HTTP and SMTP.
        http_port: port of the Verify API and the inbox page; 0 picks a free one.
        smtp_port: port of the mail sink; 0 picks a free one.
        database_path: SQLite file that outlives the process; made if absent.
        account_sid: the account (``AC...``) that callers log in as.
        auth_token: its password.
        service_sid: the Verify service (``VA...``) that exists.
        ready: told the actual HTTP and SMTP ports, once both answer.

    """
    database = Database(database_path)
    messages, failures, tally, held = Messages(database), Failures(database), Tally(), Held()
    mail = MailServer(Sink(messages, failures, tally), host, smtp_port)

    def release(rule_id: int | None) -> None:
        held.release(rule_id)
        mail.release(rule_id)

    account = Account(account_sid, auth_token, service_sid)
    gate = Gate(account, failures, held, tally)
    verify = VerifyApi(account, gate, Provider(database, messages, tally), Attempts(database))
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.register_blueprint(verify.blueprint())
    for page in (
        control.blueprint(messages, failures, tally, release),
        inbox.blueprint(messages, failures, release),
    ):
        page.before_request(guard(host))
        app.register_blueprint(page)

    web = WSGIServer(
        (host, http_port), app, backlog=1024, log=None, error_log=sys.stderr, handler_class=Handler
    )
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    web.start()
    mail.start()
    ready(int(web.address[1]), mail.port)
    stop.wait()
    web.close()
    mail.stop()
    database.close()
