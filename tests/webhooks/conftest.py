"""A receiver, the service's parts, and what the worker does with them."""

import itertools

import pytest

from service.domain.audit import Who
from service.store.health import OutboxEvent
from tests.support.process import *  # noqa: F403 - fixtures are found by their names here
from tests.support.receiver import receiving

OPERATOR = Who("key_test")
_entries = itertools.count(1)


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


@pytest.fixture
def services(process):
    return process()


def event(kind="challenge.switched", partition="00", entry=None, **data):
    """An event as it stands in the outbox."""
    data = {"id": "ch_1", "application": "default", "user": "hash-of-user", "channel": "totp", **data}
    return OutboxEvent(partition, entry or f"1700000000000-{next(_entries)}", kind, 1_700_000_000_000, data)


def work(services):
    """What a worker does in one look; returns how many lanes it told."""
    deliveries = services.tell_webhooks.claim()
    for delivery in deliveries:
        services.tell_webhooks(delivery)
    return len(deliveries)
