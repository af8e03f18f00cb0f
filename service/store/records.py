"""Saving a versioned record: the one way in which challenges change from Python."""

from collections.abc import Sequence
from typing import Any

import msgspec

from service.domain.events import Event
from service.store import keys
from service.store.connections import Command
from service.store.redis import SCRIPTS, call


def save_command(
    record_key: str,
    partition: str,
    *,
    expected: int,
    record: bytes,
    events: Sequence[Event],
    ttl_ms: int = 0,
    schedule: tuple[str, int | None] | None = None,
    wake: str = "",
) -> Command:
    """The command that replaces a record and writes its events.

    Args:
        record_key: its key.
        partition: where its outbox and schedule are.
        expected: the version it must have now; 0: it must not exist.
        record: its next version; empty deletes it.
        events: what happened.
        ttl_ms: its life from now; 0 leaves it as it is.
        schedule: a challenge's id and when (ms) the worker must look at it next, `None`: never.
        wake: the challenge whose waiters to wake.

    """
    member, due_at = schedule or ("", None)
    args: list[Any] = [expected, record, ttl_ms, member, "" if due_at is None else due_at, wake]
    for event in events:
        args += (event.type, event.at, msgspec.json.encode(event.data))
    return call(SCRIPTS["transition"], [record_key, keys.outbox(partition), keys.due(partition)], args)
