"""The connection to Redis or Valkey, and how scripts are run on it.

One `Store.run` or `Store.batch` is one round trip. Whatever means "Redis can't do this now" becomes
`StoreUnavailable` here, so that callers fail closed without knowing Redis' errors.
"""

import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import gevent
import redis
from redis.client import PubSub
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.exceptions import TimeoutError as RedisTimeoutError

from service.deadline import DeadlineExceeded
from service.domain.errors import StoreUnavailable
from service.store.connections import Command, Node, Nodes, nodes_for
from service.store.exchange import distrust_idle, exchange

SCANNED = 500  # keys looked at in a step
REPLICAS_KNOWN = 1.0  # seconds that a server's replicas are taken to be what they were
_MOVES = 4  # times that a command follows its keys to another server
_MOVE_PAUSE = 0.1  # seconds, more each time
DURABLE_WAIT = 2000  # ms until a write that must be on disk is reported as not acknowledged

# Answers of a server that is up but can't serve: a replica, one without quorum, memory or disk, one loading.
# Where redis-py has a class for one, it has taken the word off its text.
_UNABLE_CLASSES = (ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
_ELSEWHERE = (MovedError, TryAgainError)  # it was not done; `ASK` is followed at once
_UNABLE_WORDS = ("LOADING", "MISCONF", "NOREPLICAS", "BUSY", "UNKILLABLE", "READONLY", "OOM")


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the hash that Redis knows it by."""

    name: str
    text: str
    sha: str


def load_script(name: str, shared: Sequence[str] = ()) -> Script:
    """Read `NAME.lua` from beside this file, led by what it shares with others."""
    folder = files("service.store")
    text = "".join((folder / f"{part}.lua").read_text("utf-8") for part in (*shared, name))
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def call(script: Script, keys: Sequence[str], args: Sequence[Any]) -> Command:
    """The command that runs a script."""
    return ("EVALSHA", script.sha, len(keys), *keys, *args)


class Store:
    """Commands and scripts on Redis, with its errors made ours."""

    def __init__(self, nodes: Nodes, scripts: Sequence[Script], *, strict: bool = True) -> None:
        self._nodes = nodes
        self._strict = strict
        self._scripts = {script.sha: script for script in scripts}
        self._waitaof: bool | None = None
        self._asked: dict[str, tuple[float, list[Command]]] = {}

    @property
    def client(self) -> "redis.Redis":
        """A server, for questions about it."""
        try:
            return self._nodes.any()
        except RedisError as error:
            raise _translated(error) from error

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run one script: one round trip.

        Raises:
            StoreUnavailable: Redis can't be reached or can't serve.

        """
        return self.batch([call(script, keys, args)])[0]

    def batch(self, commands: Sequence[Command], *, durable: bool = False) -> list[Any]:
        """Run commands in one round trip to each server that has keys of them; they are not a transaction.

        Args:
            commands: each a tuple of words.
            durable: return only once the writes are on the server's disk (`WAITAOF`), where it has an
                append-only file, and at one of its replicas (`WAIT`), where it has any; unless the
                installation is set to be relaxed about it.

        Raises:
            StoreUnavailable: Redis can't be reached or can't serve, or did not confirm in time.

        """
        if not commands:
            return []
        durable = durable and self._strict
        answers = self._send(commands, durable)
        if not _has_error(answers):
            return answers
        for attempt in range(_MOVES - 1):
            moved = [place for place, answer in enumerate(answers) if isinstance(answer, _ELSEWHERE)]
            if not moved:
                break
            self._nodes.refresh()
            time.sleep(_MOVE_PAUSE * attempt)
            found = self._send([commands[place] for place in moved], durable)
            for place, answer in zip(moved, found, strict=True):
                answers[place] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise _translated(answer) from answer
        return answers

    def scan(self, pattern: str) -> Iterator[list[str]]:
        """The names of all keys that look so, some at a time; one may come twice.

        Raises:
            StoreUnavailable: Redis can't be reached or can't serve.

        """
        try:
            for node in self._nodes.all():
                cursor: int | None = None
                while cursor != 0:
                    cursor, names = node.client.scan(cursor or 0, match=pattern, count=SCANNED)
                    if names:
                        yield [name if isinstance(name, str) else name.decode() for name in names]
        except RedisError as error:
            raise _translated(error) from error

    def has_waitaof(self) -> bool:
        """Whether the server says when a write is on its disk.

        Raises:
            StoreUnavailable: Redis can't be reached or can't say.

        """
        if self._waitaof is None:
            try:
                (answer,) = exchange(self.client, [("WAITAOF", 1, 0, 1)])
            except (RedisError, DeadlineExceeded) as error:
                raise StoreUnavailable from error
            # Before 7.2 the command is unknown. What a server says that is a replica just now, or loading,
            # is no answer for good.
            refused = isinstance(answer, ResponseError)
            if refused and not any(word in str(answer) for word in ("unknown command", "appendonly")):
                raise StoreUnavailable from answer
            self._waitaof = not refused
        return self._waitaof

    def subscriber(self) -> PubSub:
        """A connection of its own, to listen on."""
        return self._nodes.subscriber()

    def _send(self, commands: Sequence[Command], durable: bool) -> list[Any]:
        """Send each to its server; what was not done because it belongs elsewhere by now says so."""
        try:
            groups = self._nodes.spread(commands)
        except RedisError as error:
            raise _translated(error) from error
        if len(groups) == 1:
            return self._exchange(groups[0][0], commands, durable)

        answers: list[Any] = [None] * len(commands)
        failures: list[Exception] = []

        def exchange_with(node: Node, places: Sequence[int]) -> None:
            try:
                found = self._exchange(node, [commands[place] for place in places], durable)
            except (StoreUnavailable, RedisError) as error:
                failures.append(error)  # told by the caller; a greenlet's own are logged as crashes
                return
            for place, answer in zip(places, found, strict=True):
                answers[place] = answer

        # To all of them at once.
        gevent.joinall([gevent.spawn(exchange_with, *group) for group in groups], raise_error=True)
        if failures:
            raise failures[0]
        return answers

    def _exchange(self, node: Node, commands: Sequence[Command], durable: bool) -> list[Any]:
        """Run commands on one server."""
        promises: Sequence[Command] = ()
        try:
            if durable:
                promises = self._promises(node)
            answers = exchange(node.client, commands, promises)
            if _has_error(answers):
                self._ask_again(node, commands, promises, answers)
        except (RedisError, DeadlineExceeded) as error:
            if isinstance(error, RedisTimeoutError | DeadlineExceeded):
                distrust_idle(node.client)
            self._nodes.refresh()
            raise _translated(error) from error
        if not promises:
            return answers
        promised = answers[len(commands) :]
        del answers[len(commands) :]
        if all(isinstance(answer, _ELSEWHERE) for answer in answers):
            return answers  # nothing was done here that could be kept
        if not all(map(_is_kept, promised)):
            self._nodes.refresh()  # perhaps it is a primary no more
            raise StoreUnavailable("The change was not confirmed to be kept in time.")
        return answers

    def _ask_again(
        self, node: Node, commands: Sequence[Command], promises: Sequence[Command], answers: list[Any]
    ) -> None:
        """Run what was not for want of its script, or for its key's being moved; answers are replaced."""
        missing = [place for place, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if missing:
            again = [commands[place] for place in missing]
            self._load_scripts(node, again)
            found = exchange(node.client, again, promises)
            for place, answer in zip([*missing, *range(len(commands), len(answers))], found, strict=True):
                answers[place] = answer
        for place, answer in enumerate(answers):
            # Only this once it is where it is being moved to. To redis-py `MOVED` is a kind of that.
            if isinstance(answer, AskError) and not isinstance(answer, MovedError):
                target = self._nodes.at(answer.host, answer.port)
                if commands[place][0] == "EVALSHA":
                    self._load_scripts(target, [commands[place]])
                asked = exchange(target.client, [("ASKING",), commands[place]], promises)
                answers[place] = asked[1]
                answers[len(commands) :] = asked[2:]

    def _promises(self, node: Node) -> list[Command]:
        """What to ask a server after writes that must not be lost."""
        until, asked = self._asked.get(node.name, (0.0, []))
        if time.monotonic() < until:
            return asked
        if asked:  # one asks anew; those who come meanwhile go on with what is known
            self._asked[node.name] = (time.monotonic() + REPLICAS_KNOWN, asked)
        asked = [("WAITAOF", 1, 0, DURABLE_WAIT)] if self.has_waitaof() else []
        (info,) = exchange(node.client, [("INFO", "replication")])
        if isinstance(info, NoPermissionError):
            info = {}
        if isinstance(info, RedisError):
            raise info
        # One that is behind, or away, would be waited for in vain.
        replicas = [value for name, value in info.items() if re.fullmatch(r"slave\d+", name)]
        if any(replica.get("state") == "online" for replica in replicas):
            asked.append(("WAIT", 1, DURABLE_WAIT))
        self._asked[node.name] = (time.monotonic() + REPLICAS_KNOWN, asked)
        return asked

    def _load_scripts(self, node: Node, calls: Sequence[Command]) -> None:
        exchange(node.client, [("SCRIPT", "LOAD", self._scripts[sha].text) for _, sha, *_ in calls])


def _has_error(answers: Sequence[Any]) -> bool:
    for answer in answers:  # noqa: SIM110 - a third of what a generator takes, for every exchange
        if isinstance(answer, ResponseError):
            return True
    return False


def _is_kept(answer: Any) -> bool:
    """What `WAITAOF` (two counts) and `WAIT` (one) said."""
    return not isinstance(answer, Exception) and (answer[0] if isinstance(answer, list) else answer) >= 1


def _translated(error: Exception) -> Exception:
    if (
        isinstance(error, ResponseError)
        and not isinstance(error, _UNABLE_CLASSES)
        and not str(error).startswith(_UNABLE_WORDS)
    ):
        return error
    return StoreUnavailable()


# Each script, with what it shares with others.
SCRIPTS = {
    name: load_script(name, shared)
    for name, shared in {
        "verify": ["lib"],
        "settle": ["lib"],
        "transition": ["lib"],
        "save_user": ["lib"],
        "report": ["lib"],
        "limit": ["rates"],
        "give_back": ["rates"],
        "reserve_send": ["rates"],
        "unsend": ["rates"],
        "settle_send": [],
        "block_send": ["rates"],
        "block_suspect": ["lib"],
        "block_unsend": ["rates"],
        "claim_due": [],
        "drop_owner": [],
        "point": [],
        "idempotency": [],
        "health_save": [],
        "audited": [],
        "hook_enqueue": [],
        "hook_claim": [],
        "hook_settle": [],
        "hook_replay": [],
    }.items()
}


def connect(url: str, *, strict: bool = True) -> Store:
    """A `Store` on what a URL leads to.

    Args:
        url: `REDIS_URL`.
        strict: whether what must not be lost is waited for.

    Raises:
        ValueError: the URL can't be understood.
    """
    return Store(nodes_for(url), list(SCRIPTS.values()), strict=strict)
