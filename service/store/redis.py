"""The connection to Redis or Valkey, and how scripts are run on it.

One `Store.run` or `Store.batch` is one round trip. Whatever means "Redis can't do this now" becomes
`StoreUnavailable` here, so that callers fail closed without knowing Redis' errors.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)
from redis.retry import Retry

from service.domain.errors import StoreUnavailable

CONNECT_TIMEOUT = 1.0  # seconds
COMMAND_TIMEOUT = 3.0  # seconds; longer than any script, and than WAITAOF may take
MAX_CONNECTIONS = 512  # per process: hundreds of challenges may wait for a provider, few for Redis
DURABLE_WAIT = 2000  # ms until a write that must be on disk is reported as not acknowledged

# Answers of a server that is up but can't serve: a replica, one without quorum, memory or disk, one loading.
# Where redis-py has a class for one, it has taken the word off its text.
_UNABLE_CLASSES = (ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError, TryAgainError)
_UNABLE_WORDS = ("LOADING", "MISCONF", "NOREPLICAS", "BUSY", "UNKILLABLE", "READONLY", "OOM")

Command = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the hash that Redis knows it by."""

    name: str
    text: str
    sha: str


def load_script(name: str, *, with_lib: bool = False) -> Script:
    """Read `NAME.lua` from beside this file, led by `lib.lua` where it uses that."""
    folder = files("service.store")
    text = (folder / f"{name}.lua").read_text("utf-8")
    if with_lib:
        text = (folder / "lib.lua").read_text("utf-8") + text
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def call(script: Script, keys: Sequence[str], args: Sequence[Any]) -> Command:
    """The command that runs a script."""
    return ("EVALSHA", script.sha, len(keys), *keys, *args)


class Store:
    """Commands and scripts on one Redis, with its errors made ours."""

    def __init__(self, client: "redis.Redis", scripts: Sequence[Script]) -> None:
        self.client = client
        self._scripts = {script.sha: script for script in scripts}
        self._waitaof: bool | None = None

    def run(self, script: Script, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run one script: one round trip.

        Raises:
            StoreUnavailable: Redis can't be reached or can't serve.

        """
        return self.batch([call(script, keys, args)])[0]

    def batch(self, commands: Sequence[Command], *, durable: bool = False) -> list[Any]:
        """Run commands in one round trip; they are not a transaction.

        Args:
            commands: each a tuple of words.
            durable: return only once the writes are on the server's disk (`WAITAOF`), where it has an
                append-only file.

        Raises:
            StoreUnavailable: Redis can't be reached or can't serve, or did not confirm in time.

        """
        durable = durable and self.has_waitaof()
        if durable:
            commands = [*commands, ("WAITAOF", 1, 0, DURABLE_WAIT)]
        try:
            answers = self._send(commands)
            missing = [i for i, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
            if missing:
                for i in missing:
                    self.client.script_load(self._scripts[commands[i][1]].text)
                again = [*missing, *([len(commands) - 1] if durable else [])]
                for i, answer in zip(again, self._send([commands[i] for i in again]), strict=True):
                    answers[i] = answer
        except RedisError as error:
            raise _translated(error) from error
        for answer in answers:
            if isinstance(answer, Exception):
                raise _translated(answer) from answer
        if durable and answers.pop()[0] < 1:
            raise StoreUnavailable("The change was not confirmed to be on disk in time.")
        return answers

    def subscriber(self) -> PubSub:
        """A connection of its own, to listen on."""
        return self.client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call,no-any-return]

    def has_waitaof(self) -> bool:
        """Whether the server says when a write is on its disk."""
        if self._waitaof is None:
            try:
                self._execute("WAITAOF", 1, 0, 1)
                self._waitaof = True
            except ResponseError:  # unknown command (before 7.2), or no append-only file
                self._waitaof = False
            except RedisError as error:
                raise _translated(error) from error
        return self._waitaof

    def _send(self, commands: Sequence[Command]) -> list[Any]:
        if len(commands) == 1:
            try:
                return [self._execute(*commands[0])]
            except ResponseError as error:
                return [error]
        pipeline = self.client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        return pipeline.execute(raise_on_error=False)

    def _execute(self, *words: Any) -> Any:
        return self.client.execute_command(*words)  # type: ignore[no-untyped-call]


def _translated(error: Exception) -> Exception:
    if (
        isinstance(error, ResponseError)
        and not isinstance(error, _UNABLE_CLASSES)
        and not str(error).startswith(_UNABLE_WORDS)
    ):
        return error
    return StoreUnavailable()


def client_for(url: str) -> "redis.Redis":
    """A client for a URL; it connects when first used.

    No command is retried: a script that ran but whose answer was lost must not run twice.

    Raises:
        ValueError: the URL's scheme is not supported.

    """
    if url.startswith(("redis+sentinel://", "redis+cluster://")):
        raise ValueError(f"{url.split(':', maxsplit=1)[0]}:// is not supported yet")
    return redis.Redis.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_timeout=COMMAND_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
        client_name="otp-fallback",
    )


SCRIPTS = {
    name: load_script(name, with_lib=name in {"verify", "settle", "transition", "report", "save_user"})
    for name in (
        "verify",
        "settle",
        "transition",
        "claim_due",
        "reserve_send",
        "settle_send",
        "idempotency",
        "health_save",
        "report",
        "audited",
        "save_user",
    )
}


def connect(url: str) -> Store:
    """A `Store` on the server at a URL."""
    return Store(client_for(url), list(SCRIPTS.values()))
