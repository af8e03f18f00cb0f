"""Providers that stand before the sandbox and, when told to, answer with errors that quote what they were sent."""

import smtplib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs

import requests
from aiosmtpd.controller import Controller

from tests.support.stack import free_port


class Echo:
    """Twilio and a mail server; `echoing` while they are unwell."""

    echoing = False

    def __init__(self, sandbox_url: str, smtp_port: int) -> None:
        echo = self

        class Twilio(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if echo.echoing:
                    self._answer(500, echo.quoted(body).encode())
                    return
                passed = {n: v for n, v in self.headers.items() if n in ("Authorization", "Content-Type")}
                answer = requests.post(sandbox_url + self.path, body, headers=passed, timeout=10)
                self._answer(answer.status_code, answer.content)

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                pass

        class Mail:
            async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
                envelope.rcpt_tos.append(address)
                return "250 OK"

            async def handle_DATA(self, _server, _session, envelope):  # noqa: N802
                if echo.echoing:
                    text = envelope.content.decode("utf-8", "replace").replace("\r\n", " ")
                    return f"554 5.7.1 {envelope.rcpt_tos[0]} {text[:300]}"
                with smtplib.SMTP("127.0.0.1", smtp_port) as sandbox:
                    sandbox.sendmail(envelope.mail_from, envelope.rcpt_tos, envelope.content)
                return "250 OK"

        self._web = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
        self._mail = Controller(Mail(), hostname="127.0.0.1", port=free_port())
        self.settings = {
            "TWILIO_VERIFY_BASE_URL": f"http://127.0.0.1:{self._web.server_port}",
            "SMTP_URL": f"smtp://127.0.0.1:{self._mail.port}",
        }

    @staticmethod
    def quoted(body: bytes) -> str:
        """An error in Twilio's form; its very code is the number that was to be sent to."""
        sent = parse_qs(body.decode())
        number = "".join(sent.get("To", ["1"])).removeprefix("+")
        return f'{{"code": {number}, "message": "{body.decode()} +{number}", "status": 500}}'

    def __enter__(self) -> Self:
        threading.Thread(target=self._web.serve_forever, daemon=True).start()
        self._mail.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._web.shutdown()
        self._web.server_close()
        self._mail.stop()
