"""The floor, the product and a provider, each in processes of its own; the first two with a Valkey each.

The product is `otp-fallback serve` as anybody runs it, its `worker` process beside it. The floor has the
same Valkey binary and configuration, gunicorn's configuration, worker class and number of workers.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import psutil
import redis
import requests
from prometheus_client.parser import text_string_to_metric_families

from service.runtime import valkey
from service.runtime.folder import DataFolder
from service.runtime.parent_death import die_with_parent
from service.runtime.valkey_socket import server_url

ROOT = Path(__file__).resolve().parents[2]
API_KEY = "bench-key-with-all-scopes-0123456789"
MANY = "1000000/1m"  # a limit that is taken from, and refuses nobody
SETTINGS = {
    "OTP_BOOTSTRAP_API_KEY": API_KEY,
    "OTP_HOST": "127.0.0.1",
    "OTP_PORT": "0",
    "OTP_DELIVERY_DEADLINE": "600",  # else the worker would switch one round's challenges in the next
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token",
    "TWILIO_VERIFY_SERVICE_SID": "VA" + "0" * 32,
    "SMTP_URL": "smtp://127.0.0.1:9",
    "MAIL_FROM": "login@shop.example",
    **{f"OTP_LIMIT_{name}": MANY for name in ("ADDRESS", "APPLICATION", "USER", "NUMBER", "PREFIX")},
}


class World:
    """What is measured. `folder` is its own and goes with it."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.folder = Path(tempfile.mkdtemp(prefix="otpb-"))
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> "World":
        """Start everything and wait until it answers."""
        self.provider_url = self._start_provider()
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("OTP_")},
            **SETTINGS,
            "OTP_WORKERS": str(self.workers),
            "OTP_DATA_DIR": str(self.folder / "product"),
            "TWILIO_VERIFY_BASE_URL": self.provider_url,
        }
        self.env.pop("REDIS_URL", None)
        self.serve = self._popen([sys.executable, "-m", "service.cli", "serve", "--json"], self.env)
        assert self.serve.stdout is not None
        line = self.serve.stdout.readline()
        if not line:
            raise SystemExit(f"the product did not start: {(self.folder / 'log').read_text()}")
        self.url = json.loads(line)["url"]
        self.floor_url = self._start_floor()
        return self

    def stop(self) -> None:
        """End what was started and nothing else."""
        for process in reversed(self._running):
            with contextlib.suppress(psutil.NoSuchProcess):
                children = psutil.Process(process.pid).children(recursive=True)
                process.terminate()
                psutil.wait_procs(children, timeout=10)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(12)
            process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def redis_url(self) -> str:
        """The product's Valkey."""
        return server_url((self.folder / "product").resolve())

    def redis(self) -> redis.Redis:
        """A connection to it."""
        return redis.Redis.from_url(self.redis_url)

    def web_workers(self) -> list[psutil.Process]:
        """The product's gunicorn workers."""
        masters = self._product("service.runtime.web")
        return [child for master in masters for child in master.children()]

    def floor_workers(self) -> list[psutil.Process]:
        """The floor's gunicorn workers."""
        return psutil.Process(self._running[-1].pid).children()

    def cpu(self) -> dict[str, float]:
        """Seconds of a core that each part of the product has used."""
        return _used_by(
            web=self.web_workers(), worker=self._product("service.worker"), valkey=[_server(self.redis())]
        )

    def floor_cpu(self) -> dict[str, float]:
        """Seconds of a core that each part of the floor has used."""
        server = redis.Redis.from_url(server_url((self.folder / "floor").resolve()))
        return _used_by(web=self.floor_workers(), valkey=[_server(server)])

    @contextlib.contextmanager
    def worker_paused(self) -> Iterator[None]:
        """The `worker` process asks the server for work all the time; not in here."""
        held = self._product("service.worker")
        for process in held:
            process.suspend()
        try:
            yield
        finally:
            for process in held:
                process.resume()

    def provider_calls(self) -> int:
        """How many verifications the provider was asked to start."""
        return int(requests.get(f"{self.provider_url}/counted", timeout=5).json()["started"])

    def counted(self, metric: str, **labels: str) -> float:
        """A metric of the product, summed over what is not named."""
        text = requests.get(f"{self.url}/metrics", timeout=10).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == metric and labels.items() <= sample.labels.items()
        )

    def _product(self, module: str) -> list[psutil.Process]:
        found = [p for p in psutil.Process(self.serve.pid).children() if module in p.cmdline()]
        assert found, f"{module} does not run"
        return found

    def _start_provider(self) -> str:
        process = self._popen([sys.executable, "-m", "tests.bench.provider"], dict(os.environ))
        assert process.stdout is not None
        return f"http://127.0.0.1:{int(process.stdout.readline())}"

    def _start_floor(self) -> str:
        folder = DataFolder(self.folder / "floor")
        folder.create()
        server = valkey.program(folder)
        self._popen(server.argv, dict(server.env))
        url = server_url(folder.path)
        wait_for(lambda: redis.Redis.from_url(url).ping())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "service.runtime.web", "-c", "python:service.runtime.gunicorn_conf"]
        command += ["--workers", str(self.workers), "--bind", f"127.0.0.1:{port}", "tests.bench.floor:app"]
        self._popen(command, {**os.environ, "REDIS_URL": url})
        wait_for(lambda: requests.post(f"http://127.0.0.1:{port}/floor", json={"code": "0"}, timeout=2).ok)
        return f"http://127.0.0.1:{port}"

    def _popen(self, command: Sequence[str], env: dict[str, str]) -> "subprocess.Popen[bytes]":
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=log,
                preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - there are no threads yet
            )  # fmt: skip
        self._running.append(process)
        return process


def _server(client: "redis.Redis") -> psutil.Process:
    return psutil.Process(int(client.info("server")["process_id"]))


def _used_by(**parts: Sequence[psutil.Process]) -> dict[str, float]:
    times = {name: [process.cpu_times() for process in found] for name, found in parts.items()}
    return {name: float(sum(one.user + one.system for one in found)) for name, found in times.items()}


@contextlib.contextmanager
def running(workers: int) -> Iterator[World]:
    """A world, ended afterwards."""
    world = World(workers)
    try:
        yield world.start()
    finally:
        world.stop()


def wait_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, requests.RequestException, redis.RedisError):
            if condition():
                return
        if time.monotonic() > until:
            raise SystemExit(f"not within {seconds:.0f} s: {condition}")
        time.sleep(0.05)
