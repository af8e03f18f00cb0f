"""A Valkey server of one's own, and the parts on it, with a clock that stands still until moved."""

import base64
import secrets
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from service.app import build
from service.core import build_core
from service.settings import Settings
from service.store import redis as redis_store
from tests.support.stack import Stack


@pytest.fixture(scope="module")
def server() -> Iterator[Stack]:
    stack = Stack()
    stack.start_valkey()
    yield stack
    stack.stop()


class Clock:
    """Milliseconds; moved by hand."""

    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def core(server, clock, monkeypatch):
    """A process of the service, without a provider."""
    server.redis().flushall()
    monkeypatch.setenv("REDIS_URL", server.redis_url)
    monkeypatch.setenv("OTP_MASTER_KEYS", "k1:" + base64.b64encode(b"m" * 32).decode())
    return build_core(Settings.load(), clock=clock, random_bytes=secrets.token_bytes)


@pytest.fixture
def services(core):
    return build(core)


@pytest.fixture
def redis(server):
    return server.redis()


@pytest.fixture
def counted(core, monkeypatch):
    """Round trips that the service makes: writes to the server followed by reads."""
    seen = SimpleNamespace(count=0)
    send = redis_store.exchange

    def counting(*args):
        seen.count += 1
        return send(*args)

    monkeypatch.setattr(redis_store, "exchange", counting)
    return seen
