"""Fixtures: a running service; and its parts in this process, on a Valkey server, with an injected clock."""

import base64
import secrets
import time

import pytest

from service.app import build, build_core
from service.domain.channels import Channel
from service.flows.start import StartRequest
from service.settings import Settings
from tests.support.people import *  # noqa: F403 - fixtures are found by their names here
from tests.support.stack import Stack


class Clock:
    """Milliseconds, moved by hand. Begins now: those who check offline compare with the real time."""

    def __init__(self) -> None:
        self.now = time.time_ns() // 1_000_000

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


@pytest.fixture(scope="module")
def server():
    found = Stack()
    found.start_valkey()
    yield found
    found.stop()


@pytest.fixture
def clock():
    return Clock()


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


@pytest.fixture
def login():
    """Somebody is let in by a backup code; the challenge."""

    def run(services, user_id="alice"):
        codes = services.enroll.new_backup_codes("default", user_id)
        asked = StartRequest(application="default", user_id=user_id, channels=[Channel.BACKUP_CODE])
        challenge, _, _ = services.start(asked)
        verdict = services.verify("default", challenge.id, codes[0], None)
        assert verdict.valid
        return verdict.challenge

    return run
