"""Real processes: `serve` started as its users start it, in a folder of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import requests

STARTS_WITHIN = 40


def wait_until(look: Callable[[], object], within: float = 15, what: str = "it") -> None:
    deadline = time.monotonic() + within
    while not look():
        assert time.monotonic() < deadline, f"{what} did not happen within {within} s"
        time.sleep(0.02)


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(data: Path, **more: str) -> dict[str, str]:
    """No setting but these: what the tests' own shell has set must not matter."""
    dropped = ("OTP_", "REDIS_", "TWILIO_", "SMTP_", "MAIL_", "PROMETHEUS_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    return {**kept, "OTP_DATA_DIR": str(data), "OTP_PORT": "0", "OTP_WORKERS": "1", **more}


def heed_hangup() -> None:
    """As a shell starts it: tests that run under nohup would hand their deafness down."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Serve:
    """A running `otp-fallback serve`."""

    def __init__(self, data: Path, *, as_json: bool = True, **more: str) -> None:
        self.env = environment(data, **more)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service.cli.main", "serve", *(["--json"] if as_json else [])],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=heed_hangup,  # noqa: PLW1509 - no thread holds a lock that it needs
        )
        self.stderr = ""
        self._reader = threading.Thread(target=self._drain, daemon=True)
        self._reader.start()

    def _drain(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.stderr += line

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def ready(self) -> dict[str, object]:
        line = self.line()
        assert line, f"serve ended with {self.process.wait()}: {self.stderr}"
        self.told: dict[str, object] = json.loads(line)
        return self.told

    @property
    def url(self) -> str:
        return str(self.told["url"])

    def tree(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def find(self, *words: str) -> list[psutil.Process]:
        """Processes below with all these in their command line."""
        found = []
        for process in self.tree():
            try:
                line = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if all(word in line for word in words):
                found.append(process)
        return found

    def valkey(self) -> psutil.Process:
        """The one Valkey, once it runs."""
        wait_until(lambda: self.find("valkey-server", "unixsocket"), what="a Valkey")
        [process] = self.find("valkey-server", "unixsocket")
        return process

    def answers(self, path: str = "/readyz") -> bool:
        try:
            return requests.get(self.url + path, timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.ended()

    def ended(self, within: float = 25) -> int:
        status = self.process.wait(within)
        self._reader.join(10)
        return status
