"""Notices to users that are still to be sent: a sorted set by when, and how many a user got lately."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from service.store import keys
from service.store.redis import SCRIPTS, Store

HOUR = 3600  # seconds


class DueNotice(Struct, frozen=True, omit_defaults=True):
    """A change that a user is to be told of.

    Attributes:
        kind: what happened.
        user: the user's keyed hash.
        at: when (ms).
        sealed: the address that the user had then.
        locale: the user's language.
        codes_left: how many backup codes are left.

    """

    kind: str = msgspec.field(name="k")
    user: str = msgspec.field(name="u")
    at: int = msgspec.field(name="at")
    sealed: str = msgspec.field(name="z")
    locale: str | None = msgspec.field(name="l", default=None)
    codes_left: int | None = msgspec.field(name="n", default=None)


class NoticeStore:
    """The notices of all applications."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(self, notices: Sequence[DueNotice], now: int) -> None:
        """These are to be sent; noted again, they are the same."""
        members: list[Any] = [part for notice in notices for part in (now, msgspec.json.encode(notice))]
        self._store.batch([("ZADD", keys.NOTICES_DUE, "NX", *members)])

    def claim(self, now: int, *, lease: int, limit: int) -> list[DueNotice]:
        """Notices to send now, taken for `lease` ms."""
        raws = self._store.run(SCRIPTS["claim_due"], [keys.NOTICES_DUE], [now, lease, limit])
        return [msgspec.json.decode(raw, type=DueNotice) for raw in raws]

    def done(self, notice: DueNotice) -> None:
        """It was sent, or need not be."""
        self._store.batch([("ZREM", keys.NOTICES_DUE, msgspec.json.encode(notice))])

    def reserve(self, user_key: str) -> int:
        """Count one more notice to a user, before it is sent; returns how many that makes within the hour."""
        name = keys.notices_sent(user_key)
        _, number = self._store.batch([("SET", name, 0, "EX", HOUR, "NX"), ("INCR", name)])
        return int(number)

    def give_back(self, user_key: str) -> None:
        """It was not sent after all."""
        self._store.batch([("DECR", keys.notices_sent(user_key))])
