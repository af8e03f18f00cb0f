"""`otp-fallback demo`: a login survives an outage, live, on a service of its own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyotp
import requests
from rich.console import Console

from service.cli.output import as_json, fail

PHONE, EMAIL, USER = "+14155550123", "alice@example.com", "alice"
DELIVERY_DEADLINE = 2  # seconds; the default of 20 would make a slow show


class _Service:
    """The service that the demo runs on, as its caller sees it."""

    def __init__(self, url: str, key: str, sandbox: str) -> None:
        self.url, self.sandbox = url, sandbox
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = self._session.request(method, self.url + path, json=body, timeout=70)
        answer.raise_for_status()
        result: dict[str, Any] = answer.json()
        return result

    def twilio(self, kind: str | None, operation: str = "all") -> None:
        """Break Twilio in a way, or mend it."""
        requests.delete(f"{self.sandbox}/sandbox/failures", timeout=5).raise_for_status()
        if kind is not None:
            rule = {"kind": kind, "operation": operation}
            requests.post(f"{self.sandbox}/sandbox/failures", json=rule, timeout=5).raise_for_status()

    def code_sent_to(self, to: str, after: str | None) -> tuple[str, str]:
        """The newest code in the sandbox's inbox, and its id there. Letters without one are passed over."""
        until = time.monotonic() + 10
        while True:
            query = {"to": to, "wait": "10", **({"after": after} if after else {})}
            answer = requests.get(f"{self.sandbox}/sandbox/messages", params=query, timeout=15)
            messages = answer.json()["messages"]
            coded = [message for message in messages if message["code"]]
            if coded:
                return str(coded[0]["code"]), str(coded[0]["id"])
            if time.monotonic() > until:
                fail(f"no code arrived at {to}", 1)
            after = messages[0]["id"] if messages else after


class _Show:
    """Tells what happens: to a person step by step, to a script at the end."""

    def __init__(self, pause: float, *, quiet: bool) -> None:
        self._console = Console(quiet=quiet, highlight=False)
        self._pause = 0.0 if quiet else pause
        self.logins: list[dict[str, Any]] = []

    def step(self, title: str) -> None:
        time.sleep(self._pause)
        self._console.print(f"\n[bold]{title}[/bold]")

    def line(self, text: str) -> None:
        self._console.print(f"  {text}")

    def login(self, title: str, challenge: dict[str, Any], verified: dict[str, Any], seconds: float) -> None:
        switches = [f"{s['from']} -> {s['to']} ({s['reason']})" for s in challenge["switches"]]
        for switch in switches:
            self.line(f"[yellow]switched[/yellow] {switch}")
        if challenge["notice"]:
            self.line(f"[cyan]the user reads[/cyan] {challenge['notice']['message']}")
        word = "[green]approved[/green]" if verified["valid"] else "[red]refused[/red]"
        self.line(f"{word} by {verified.get('channel')}, prompt ready after {seconds * 1000:.0f} ms")
        self.logins.append(
            {
                "step": title,
                "approved_by": verified.get("channel"),
                "switches": switches,
                "prompt_seconds": round(seconds, 3),
            }
        )


def demo(pause: float, json_output: bool) -> None:
    """Run the show; exit code 1 when a login did not get in."""
    show = _Show(pause, quiet=json_output)
    show.step("Starting a service of its own: Valkey, Twilio sandbox, web, worker")
    began = time.monotonic()
    with _running() as service:
        show.line(f"ready after {time.monotonic() - began:.1f} s at {service.url}")
        try:
            _play(show, service)
        except requests.RequestException as error:
            fail(f"the demo broke off: {error}", 1)
    if json_output:
        as_json({"logins": show.logins, "seconds": round(time.monotonic() - began, 1)})
    else:
        show.step(f"{len(show.logins)} logins, {len(show.logins)} approved: nobody was locked out.")


def _play(show: _Show, service: _Service) -> None:
    show.step("Alice enrols an authenticator app and gets backup codes")
    enrollment = service.call("POST", "/v1/enrollments", {"user_id": USER})
    app = pyotp.TOTP(enrollment["secret"])
    # The step before the present one, so that the app has an unused code at once.
    confirmed = service.call(
        "POST", f"/v1/enrollments/{enrollment['id']}/confirm", {"code": app.at(time.time() - 30)}
    )
    backup_codes = confirmed["backup_codes"]
    service.call("PUT", f"/v1/users/{USER}/contacts", {"phone": PHONE, "email": EMAIL})
    show.line(f"one app, {len(backup_codes)} backup codes, a phone, an e-mail address")

    sms: str | None = None
    mail: str | None = None

    show.step("An ordinary login: a code by SMS")
    challenge, seconds = _start(service)
    code, sms = service.code_sent_to(PHONE, sms)
    _finish(show, service, "ordinary", challenge, code, seconds)

    show.step("Twilio dies: every call is answered 503")
    service.twilio("http_503")
    challenge, seconds = _start(service)
    _finish(show, service, "down", challenge, app.now(), seconds)

    show.step("Twilio hangs, and this user has no app at hand: e-mail")
    service.twilio("hang")
    challenge, seconds = _start(service, channels=["sms", "email"])
    code, mail = service.code_sent_to(EMAIL, mail)
    _finish(show, service, "hanging", challenge, code, seconds)

    show.step("Twilio resets connections, and all that is left is a backup code")
    service.twilio("reset")
    challenge, seconds = _start(service, channels=["sms", "backup_code"])
    _finish(show, service, "reset", challenge, backup_codes[0], seconds)

    show.step("Twilio accepts everything and delivers nothing: the worker notices, e-mail goes out")
    service.twilio("not_delivered", "send")
    challenge, _ = _start(service, channels=["sms", "email"])
    began = time.monotonic()
    while challenge["channel"] == "sms" and time.monotonic() - began < 30:
        challenge = service.call("GET", f"/v1/challenges/{challenge['id']}?wait=20")
    seconds = time.monotonic() - began
    code, mail = service.code_sent_to(EMAIL, mail)
    _finish(show, service, "silent", challenge, code, seconds)

    show.step("Twilio is back")
    service.twilio(None)
    challenge, seconds = _start(service)
    code, sms = service.code_sent_to(PHONE, sms)
    _finish(show, service, "back", challenge, code, seconds)


def _start(service: _Service, **fields: object) -> tuple[dict[str, Any], float]:
    began = time.monotonic()
    body = {"user_id": USER, "locale": "en", "action": "login", **fields}
    return service.call("POST", "/v1/challenges", body), time.monotonic() - began


def _finish(
    show: _Show, service: _Service, title: str, challenge: dict[str, Any], code: str, seconds: float
) -> None:
    verified = service.call("POST", f"/v1/challenges/{challenge['id']}/verify", {"code": code})
    show.login(title, challenge, verified, seconds)
    if not verified["valid"]:
        fail(f"the login of step '{title}' was not approved", 1)


@contextmanager
def _running() -> Iterator[_Service]:
    with tempfile.TemporaryDirectory(prefix="otp-demo-") as folder:
        log_path = Path(folder) / "serve.log"
        env = {
            "PATH": os.environ.get("PATH", ""),
            "OTP_DATA_DIR": f"{folder}/data",
            "OTP_PORT": "0",
            "OTP_WORKERS": "1",
            "OTP_DELIVERY_DEADLINE": str(DELIVERY_DEADLINE),
        }
        command = [sys.executable, "-m", "service.cli.main", "serve", "--json"]
        with (
            log_path.open("wb") as log,
            subprocess.Popen(  # noqa: S603 - ourselves, no shell
                command, env=env, stdout=subprocess.PIPE, stderr=log
            ) as process,
        ):
            try:
                line = process.stdout.readline() if process.stdout else b""
                if not line:
                    fail(f"the service did not start:\n{log_path.read_text('utf-8', 'replace')}", 1)
                ready = json.loads(line)
                yield _Service(ready["url"], ready["api_key"], ready["sandbox_url"])
            finally:
                process.terminate()
