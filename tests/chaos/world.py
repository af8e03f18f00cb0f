"""The service with something breakable between its parts, and what its processes hold."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import psutil
import requests

from tests.chaos import clock
from tests.chaos.clock import Clock
from tests.support.fault_proxy import FaultProxy
from tests.support.stack import Stack, wait_until

DISK = 24_000_000  # bytes of the disk that gets full


@dataclass(frozen=True)
class Setting:
    """How a world is made; trials that want the same one share it.

    Attributes:
        fsync: Valkey's `appendfsync`.
        small_disk: its append-only file is on a small disk of its own.
        clocks: the clocks of Valkey and the service can be moved.
        send_deadline: `OTP_SEND_DEADLINE`, seconds.
        web_processes: how many there are.
        own: a name, for a trial that shares its world with no other one.
    """

    fsync: str = "always"
    small_disk: bool = False
    clocks: bool = False
    send_deadline: int = 1
    web_processes: int = 2
    own: str = ""


@dataclass(frozen=True)
class Usage:
    """What web processes and the worker hold: the most of one of them."""

    memory: int  # bytes, resident
    files: int


class Unsupported(Exception):
    """This machine can't do it; why is told in the table."""


class World:
    """A running service. `redis`, `twilio` and `smtp` are the proxies before those."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.stack = Stack(
            worker_process=True,
            OTP_SEND_DEADLINE=str(setting.send_deadline),
            OTP_DELIVERY_DEADLINE="2",
            OTP_CHANGE_NOTICES="false",
            OTP_DURABILITY="strict",
        )
        stack = self.stack
        self.redis = FaultProxy(str(stack.socket))
        self.twilio = FaultProxy(f"127.0.0.1:{stack.sandbox_port}")
        self.smtp = FaultProxy(f"127.0.0.1:{stack.smtp_port}")
        stack.env |= {
            "REDIS_URL": f"redis://127.0.0.1:{self.redis.port}/0",
            "TWILIO_VERIFY_BASE_URL": f"http://127.0.0.1:{self.twilio.port}",
            "SMTP_URL": f"smtp://127.0.0.1:{self.smtp.port}",
        }
        # As it is run in earnest, behind the supervisor.
        stack.web.command = [
            *(sys.executable, "-m", "service.runtime.web", "-c", "python:service.runtime.gunicorn_conf"),
            *("--workers", str(setting.web_processes), "--bind", f"127.0.0.1:{stack.port}"),
            "service.http.wsgi:app",
        ]
        self._valkey_options = ["--appendfsync", setting.fsync, "--maxmemory-policy", "noeviction"]
        self.disk = stack.folder / "disk"

    @property
    def url(self) -> str:
        return self.stack.url

    def start(self) -> "World":
        """Start it. Raises `Unsupported`."""
        if self.setting.small_disk:
            self._mount()
            self._valkey_options += ["--dir", str(self.disk)]
        if self.setting.clocks:
            self._make_clocks()
        self.stack.valkey.command += self._valkey_options
        self.stack.start()
        wait_until(lambda: self.stack.api("GET", "/v1/ops/health").json()["deciding"])
        return self

    def stop(self) -> None:
        for proxy in (self.redis, self.twilio, self.smtp):
            proxy.stop()
        for process in (self.stack.worker, self.stack.web, self.stack.valkey):
            process.kill()
        if self.setting.small_disk and self.disk.is_mount():
            subprocess.run(["umount", str(self.disk)], check=False)
        self.stack.stop()

    def web_workers(self) -> list[psutil.Process]:
        """Gunicorn's workers."""
        assert self.stack.web.popen is not None
        return psutil.Process(self.stack.web.popen.pid).children()

    def usage(self) -> Usage:
        """What the processes hold now."""
        assert self.stack.worker.popen is not None
        memory, files = [0], [0]
        for process in [*self.web_workers(), psutil.Process(self.stack.worker.popen.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                memory.append(process.memory_info().rss)
                files.append(process.num_fds())
        return Usage(max(memory), max(files))

    def restart_valkey(self) -> None:
        """Start it on its data, and wait until it answers."""
        self.stack.start_valkey()

    def is_ready(self) -> bool:
        return requests.get(f"{self.url}/readyz", timeout=10).ok

    def kill_a_web_worker(self, number: int) -> None:
        """`kill -9` to one of gunicorn's workers."""
        workers = self.web_workers()
        if workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                workers[number % len(workers)].send_signal(signal.SIGKILL)

    def _make_clocks(self) -> None:
        """Clocks of their own for Valkey and for the service's processes."""
        try:
            library = clock.build(self.stack.folder)
        except clock.NoCompiler as why:
            raise Unsupported(str(why)) from None
        self.service_clock = Clock(library, self.stack.folder / "service.clock")
        self.valkey_clock = Clock(library, self.stack.folder / "valkey.clock")
        self.stack.valkey.env = self.stack.env | self.valkey_clock.env
        for process in (self.stack.web, self.stack.worker):
            process.env = self.stack.env | self.service_clock.env

    # The disk

    def _mount(self) -> None:
        self.disk.mkdir()
        if os.geteuid() != 0:
            raise Unsupported("needs root, to mount a small disk")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(self.disk)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise Unsupported(f"a small disk can't be mounted here: {done.stderr.strip()}")

    @contextlib.contextmanager
    def full_disk(self) -> Iterator[None]:
        """No room for Valkey's file."""
        filler = self.disk / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
        try:
            yield
        finally:
            filler.unlink()


@contextlib.contextmanager
def made(setting: Setting) -> Iterator[World]:
    """A world, ended with the block. Raises `Unsupported`."""
    world = World(setting)
    try:
        yield world.start()
    finally:
        world.stop()
