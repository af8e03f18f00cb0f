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

from service.deadline import DeadlineExceeded, within
from service.domain.errors import StoreUnavailable
from service.store.connections import EXCHANGE_TIMEOUT, Command, Node, Nodes, nodes_for
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
        answers: list[Any] = [None] * len(commands)
        waiting = list(range(len(commands)))
        for attempt in range(_MOVES):
            waiting = self._send_once(commands, waiting, answers, durable)
            if not waiting:
                break
            self._nodes.refresh()
            time.sleep(_MOVE_PAUSE * attempt)
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
                self.client.execute_command("WAITAOF", 1, 0, 1)  # type: ignore[no-untyped-call]
                self._waitaof = True
            except ResponseError as error:
                # Before 7.2 the command is unknown. What a server says that is a replica just now, or
                # loading, is no answer for good.
                if not any(word in str(error) for word in ("unknown command", "appendonly")):
                    raise StoreUnavailable from error
                self._waitaof = False
            except RedisError as error:
                raise _translated(error) from error
        return self._waitaof

    def subscriber(self) -> PubSub:
        """A connection of its own, to listen on."""
        return self._nodes.subscriber()

    def _send_once(
        self, commands: Sequence[Command], waiting: Sequence[int], answers: list[Any], durable: bool
    ) -> list[int]:
        """Send those that wait; returns the places of those that went elsewhere meanwhile."""
        try:
            groups = self._nodes.spread([commands[place] for place in waiting])
        except RedisError as error:
            raise _translated(error) from error

        failures: list[Exception] = []

        def exchange_with(node: Node, places: list[int]) -> None:
            try:
                own = [commands[place] for place in places]
                found = within(EXCHANGE_TIMEOUT, lambda: self._exchange(node, own, durable))
            except (StoreUnavailable, RedisError) as error:
                failures.append(error)  # told by the caller; a greenlet's own are logged as crashes
                return
            except DeadlineExceeded:
                distrust_idle(node.client)
                failures.append(StoreUnavailable())
                return
            for place, answer in zip(places, found, strict=True):
                answers[place] = answer

        parts = [(node, [waiting[index] for index in indices]) for node, indices in groups]
        if len(parts) == 1:
            exchange_with(*parts[0])
        else:  # to all of them at once
            gevent.joinall(
                [gevent.spawn(exchange_with, node, places) for node, places in parts], raise_error=True
            )
        if failures:
            raise failures[0]
        return [place for place in waiting if isinstance(answers[place], _ELSEWHERE)]

    def _exchange(self, node: Node, commands: Sequence[Command], durable: bool) -> list[Any]:
        """Run commands on one server."""
        try:
            promises = self._promises(node) if durable else []
            sent = [*commands, *promises]
            answers = self._send(node, sent)
            missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if missing:
                for i in missing:
                    node.client.script_load(self._scripts[sent[i][1]].text)
                again = [*missing, *range(len(commands), len(sent))]
                for i, answer in zip(again, self._send(node, [sent[i] for i in again]), strict=True):
                    answers[i] = answer
            for i, answer in enumerate(answers):
                # It is being moved: only this once it is there. To redis-py `MOVED` is a kind of that.
                if isinstance(answer, AskError) and not isinstance(answer, MovedError):
                    target = self._nodes.at(answer.host, answer.port)
                    if sent[i][0] == "EVALSHA":
                        target.client.script_load(self._scripts[sent[i][1]].text)
                    asked = self._send(target, [("ASKING",), sent[i], *sent[len(commands) :]])
                    answers[i] = asked[1]
                    answers[len(commands) :] = asked[2:]
        except RedisError as error:
            if isinstance(error, RedisTimeoutError):
                distrust_idle(node.client)
            self._nodes.refresh()
            raise _translated(error) from error
        promised, answers = answers[len(commands) :], answers[: len(commands)]
        if all(isinstance(answer, _ELSEWHERE) for answer in answers):
            return answers  # nothing was done here that could be kept
        if not all(map(_is_kept, promised)):
            self._nodes.refresh()  # perhaps it is a primary no more
            raise StoreUnavailable("The change was not confirmed to be kept in time.")
        return answers

    def _promises(self, node: Node) -> list[Command]:
        """What to ask a server after writes that must not be lost."""
        until, asked = self._asked.get(node.name, (0.0, []))
        if time.monotonic() < until:
            return asked
        if asked:  # one asks anew; those who come meanwhile go on with what is known
            self._asked[node.name] = (time.monotonic() + REPLICAS_KNOWN, asked)
        asked = [("WAITAOF", 1, 0, DURABLE_WAIT)] if self.has_waitaof() else []
        try:
            info = node.client.info("replication")
        except NoPermissionError:
            info = {}
        # One that is behind, or away, would be waited for in vain.
        replicas = [value for name, value in info.items() if re.fullmatch(r"slave\d+", name)]
        if any(replica.get("state") == "online" for replica in replicas):
            asked.append(("WAIT", 1, DURABLE_WAIT))
        self._asked[node.name] = (time.monotonic() + REPLICAS_KNOWN, asked)
        return asked

    @staticmethod
    def _send(node: Node, commands: Sequence[Command]) -> list[Any]:
        return exchange(node.client, commands)


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
