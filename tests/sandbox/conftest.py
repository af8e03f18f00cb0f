"""The sandbox as a real process, and clients for it."""

import json
import os
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import requests
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client


@dataclass
class Sandbox:
    """A sandbox process and the ports it chose."""

    data: Path
    http: int = 0
    smtp: int = 0
    account: str = "AC" + "1" * 32
    service: str = "VA" + "2" * 32
    token: str = "token-of-the-test"
    process: subprocess.Popen[str] | None = None
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http}"

    def start(self) -> "Sandbox":
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "service.sandbox", "--data", str(self.data)),
                *("--port", str(self.http), "--smtp-port", str(self.smtp)),
                *("--account-sid", self.account, "--service-sid", self.service),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TWILIO_AUTH_TOKEN": self.token},
        )
        assert self.process.stdout is not None
        ports = json.loads(self.process.stdout.readline())
        self.http, self.smtp = ports["http"], ports["smtp"]
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout=5)
        finally:
            self.process.kill()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def twilio(self, *, timeout: float = 5, token: str | None = None) -> Any:
        """Twilio's own client, pointed at the sandbox."""
        http_client = TwilioHttpClient(timeout=timeout, max_retries=0)
        client = Client(self.account, token or self.token, http_client=http_client)
        client.verify.base_url = self.url
        return client.verify.v2

    def verify(self, *, service: str | None = None, **options: Any) -> Any:
        return self.twilio(**options).services(service or self.service)

    def send(self, to: str, channel: str = "sms", **options: Any) -> Any:
        return self.verify().verifications.create(to=to, channel=channel, **options)

    def check(self, code: str, **key: str) -> Any:
        return self.verify().verification_checks.create(code=code, **key)

    def control(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}/sandbox/{path}", timeout=10, **options)

    def messages(self, **query: Any) -> list[dict[str, Any]]:
        answer = self.control("GET", "messages", params=query)
        return answer.json()["messages"]  # type: ignore[no-any-return]

    def code(self, to: str) -> str:
        return self.messages(to=to)[0]["code"]  # type: ignore[no-any-return]

    def fail(self, kind: str, **rule: Any) -> int:
        answer = self.control("POST", "failures", json={"kind": kind, **rule})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]  # type: ignore[no-any-return]

    def counts(self) -> dict[str, Any]:
        return self.control("GET", "requests").json()  # type: ignore[no-any-return]

    def raw(self, to: str = "+14155550100", timeout: float = 5) -> socket.socket:
        """A send written to a bare socket; its answer is left to the test."""
        connection = socket.create_connection(("127.0.0.1", self.http), timeout=timeout)
        body = f"To={to.replace('+', '%2B')}&Channel=sms"
        lines = (
            f"POST /v2/Services/{self.service}/Verifications HTTP/1.1",
            "Host: localhost",
            f"Authorization: {requests.auth._basic_auth_str(self.account, self.token)}",
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}",
            "",
            body,
        )
        connection.sendall("\r\n".join(lines).encode())
        return connection

    def mail(self, *, timeout: float = 5, to_addrs: list[str] | None = None, **headers: str) -> None:
        """Send a mail with a code through the sandbox's SMTP server."""
        mail = EmailMessage()
        given = {"From": "Login <login@example.com>", "To": "ann@example.com", "Subject": "Your code"}
        for name, value in (given | headers).items():
            mail[name] = value
        mail.set_content("Your code is 271828.\n")
        mail.add_alternative("<p style='color: #123456'>Your code is <b>271828</b>.</p>", subtype="html")
        with smtplib.SMTP("127.0.0.1", self.smtp, timeout=timeout) as server:
            server.send_message(mail, to_addrs=to_addrs)


@pytest.fixture(scope="session")
def _process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox") / "state" / "sandbox.db").start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def sandbox(_process: Sandbox) -> Sandbox:
    """A running sandbox, shared, with nothing left of earlier tests but verifications."""
    for path in ("failures", "messages", "requests"):
        assert _process.control("DELETE", path).status_code == 204
    return _process


@pytest.fixture
def own_sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """A running sandbox that the test may kill."""
    sandbox = Sandbox(tmp_path / "sandbox.db").start()
    yield sandbox
    sandbox.stop(signal.SIGKILL)
