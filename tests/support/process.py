"""Fixtures: the service's parts in this process, on a Valkey server of a file's own, with an injected clock."""

import base64
import secrets
import time
from collections.abc import Iterator

import pytest

from service.app import build
from service.core import build_core
from service.settings import Settings
from tests.support.stack import Stack


class Clock:
    """Milliseconds; begins now, since receivers compare signatures' times, and is moved by hand."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1_000_000

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


@pytest.fixture(scope="module")
def server() -> Iterator[Stack]:
    stack = Stack()
    stack.start_valkey()
    yield stack
    stack.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def redis(server):
    return server.redis()


@pytest.fixture
def process(server, clock, monkeypatch):
    """Makes processes of the service: each has its own memory, all share Valkey and the clock."""
    server.redis().flushall()
    monkeypatch.setenv("REDIS_URL", server.redis_url)
    monkeypatch.setenv("OTP_MASTER_KEYS", "k1:" + base64.b64encode(b"m" * 32).decode())

    def make(**env):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return build(build_core(Settings.load(), clock=clock, random_bytes=secrets.token_bytes))

    return make
