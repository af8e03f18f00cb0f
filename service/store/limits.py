"""Limits in Redis: each is a key in a slot of its own, so several are taken in one pipelined call."""

from collections.abc import Sequence
from typing import NamedTuple

from service.domain.limits import Rate, Standing
from service.store import keys
from service.store.connections import Command
from service.store.redis import SCRIPTS, Store, call


class Limit(NamedTuple):
    """A rate, what it is called, and whose it is (a keyed hash)."""

    name: str
    whose: str
    rate: Rate


class Taken(NamedTuple):
    """Whether there was one, where the taker stands now, and seconds until there is one."""

    granted: bool
    standing: Standing
    wait: int


class LimitStore:
    """Takes from rates."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take_all(self, limits: Sequence[Limit], now: int) -> list[Taken]:
        """Take one of each of several, or of none: what one refuses, the others get back."""
        answers = self._store.batch([take_command(limit, now) for limit in limits]) if limits else []
        found = [taken(limit, answer) for limit, answer in zip(limits, answers, strict=True)]
        if not all(one.granted for one in found):
            self.give_back(limits, found, now)
        return found

    def give_back(self, limits: Sequence[Limit], found: Sequence[Taken], now: int) -> None:
        """What was granted is not used: who is refused by one limit does not use up another."""
        granted = [limit for limit, one in zip(limits, found, strict=True) if one.granted]
        if granted:
            self._store.batch([give_command(limit, now) for limit in granted])


def take_command(limit: Limit, now: int) -> Command:
    """The command that takes one; `taken` reads its answer."""
    return _command("limit", limit, now)


def give_command(limit: Limit, now: int) -> Command:
    """The command that takes that back."""
    return _command("give_back", limit, now)


def taken(limit: Limit, answer: Sequence[int]) -> Taken:
    """What `take` in `rates.lua` says."""
    granted, left, wait, reset = answer
    standing = Standing(limit.name, limit.rate.limit, limit.rate.window, left, _seconds(reset))
    return Taken(bool(granted), standing, _seconds(wait))


def _command(script: str, limit: Limit, now: int) -> Command:
    rate = limit.rate
    return call(SCRIPTS[script], [keys.rate(limit.name, limit.whose)], [now, rate.limit, rate.window * 1000])


def _seconds(ms: int) -> int:
    return -(-ms // 1000)
