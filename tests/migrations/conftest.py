"""A Valkey server of one's own, and parts on it, with a clock that stands at the moment when the state was made."""

import time

import pytest

from service.app import build
from service.core import build_core
from service.settings import Settings
from service.store.redis import connect
from service.store.snapshot import Snapshot
from tests.migrations.first import FACTS, MADE_AT, kept
from tests.support.process import *  # noqa: F403 - fixtures are found by their names here


def wall() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture
def restored():
    """Puts what 0.1.0 left behind into an empty Redis."""

    def restore(url, *, alive=True):
        Snapshot(connect(url), clock=wall if alive else lambda: MADE_AT).write(
            list(kept(wall() if alive else None))
        )

    return restore


@pytest.fixture
def upgraded(server, restored, clock, monkeypatch):
    """Today's service on that state, a moment after it was made."""
    server.redis().flushall()
    restored(server.redis_url)
    clock.now = MADE_AT + 1000
    monkeypatch.setenv("REDIS_URL", server.redis_url)
    monkeypatch.setenv("OTP_MASTER_KEYS", FACTS["master_keys"])
    return build(build_core(Settings.load(), clock=clock))
