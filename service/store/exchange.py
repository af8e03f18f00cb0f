"""One exchange with a server: commands go out in one piece, and their answers come back.

What redis-py puts around that for its commands and pipelines (retries, statistics, events) costs more than
the rest of most requests. Its connections with their pool, its errors and its readings of answers are kept.

In processes that gevent has patched, exchanges that begin in the same turn of the loop go out together: under
load the system calls and the changes between processes that each would take are those of one.
"""

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import gevent
import hiredis
import redis
from gevent import monkey
from gevent.event import Event
from redis.exceptions import ResponseError

from service.deadline import within
from service.store.connections import EXCHANGE_TIMEOUT, Command

WARM = 0.05  # seconds after an exchange in which its connection is taken to be as good as it was
WARM_MOST = 64  # connections of a server that wait so; others go to their pool, which looks at each anew
CROWD = 32  # groups of a server that wait for its disk or a replica; each holds a connection for as long
GATHER = 0.01  # seconds in which others may join one more such group
TOGETHER = 16  # commands of an exchange that others may go with; a longer one would keep them waiting


class _Group:
    """Exchanges that go out together; `done` once there are answers to all of them, or an error for all."""

    __slots__ = ("answers", "count", "done", "error", "packed")

    def __init__(self) -> None:
        self.packed: list[bytes] = []
        self.count = 0
        self.done = Event()
        self.answers: list[Any] = []
        self.error: BaseException | None = None


class _Line:
    """What is known of a server besides its pool of connections.

    Attributes:
        warm: connections, and until when (monotonic) they are warm; the pool takes them to be in use.
        gathering: the group that goes out next, by the commands that it ends with.
        readings: of answers, by command.
        waiting: groups under way that end with a wait.

    """

    __slots__ = ("gathering", "readings", "waiting", "warm")

    def __init__(self) -> None:
        self.warm: list[tuple[Any, float]] = []
        self.gathering: dict[tuple[Command, ...], _Group] = {}
        self.readings: dict[str, Callable[[Any], Any] | None] = {}
        self.waiting = 0


_lines: WeakKeyDictionary[Any, _Line] = WeakKeyDictionary()  # by pool


def exchange(client: "redis.Redis", commands: Sequence[Command], last: Sequence[Command] = ()) -> list[Any]:
    """Run commands in one round trip; what the server refuses stands as an error in its place.

    Args:
        client: of the server.
        commands: each a tuple of words.
        last: commands that wait for something to be so of all before them; exchanges that end with the same
            share them. Their answers follow those of `commands`.

    Raises:
        RedisError: the server can't be reached, or did not answer in time.
        DeadlineExceeded: it did not answer in time though bytes came.
    """
    if hasattr(client.execute_command, "__wrapped__"):  # its commands are followed, for traces
        return within(EXCHANGE_TIMEOUT, lambda: _as_pipeline(client, [*commands, *last]))
    pool: Any = client.connection_pool
    line = _lines.get(pool) or _lines.setdefault(pool, _Line())
    packed = b"".join([hiredis.pack_command(command) for command in commands])
    if not monkey.is_module_patched("socket"):
        answers = _carry(pool, line, [packed], len(commands), last)
    elif len(commands) > TOGETHER:
        answers = within(EXCHANGE_TIMEOUT, lambda: _carry(pool, line, [packed], len(commands), last))
    else:
        answers = _together(pool, line, packed, len(commands), tuple(last))
    for place, (name, *_) in enumerate(commands):
        try:
            reading = line.readings[name]
        except KeyError:
            named: Mapping[str, Any] = client.response_callbacks  # slow, for names in any case of letters
            reading = line.readings[name] = named.get(name)
        if reading is not None and not isinstance(answers[place], ResponseError):
            answers[place] = reading(answers[place])
    return answers


def distrust_idle(client: "redis.Redis") -> None:
    """One connection went silent: those that wait for work may be as dead, and would cost a request each."""
    pool: Any = client.connection_pool
    line = _lines.get(pool)
    while line is not None and line.warm:
        pool.release(line.warm.pop()[0])
    pool.disconnect(inuse_connections=False)


def _together(pool: Any, line: _Line, packed: bytes, count: int, last: tuple[Command, ...]) -> list[Any]:
    group = line.gathering.get(last)
    if group is None:
        group = line.gathering[last] = _Group()
        gevent.spawn_raw(_send_group, pool, line, last)  # begins when all who run in this turn have run
    place = group.count
    group.packed.append(packed)
    group.count += count
    group.done.wait()
    if group.error is not None:
        raise copy.copy(group.error) from None  # one for each, with a traceback of its own
    return group.answers[place : place + count] + group.answers[group.count :]


def _send_group(pool: Any, line: _Line, last: tuple[Command, ...]) -> None:
    """In a greenlet of its own, so that nobody's exchange ends when another's request does."""
    if last and line.waiting >= CROWD:
        gevent.sleep(GATHER)
    group = line.gathering.pop(last)
    line.waiting += bool(last)
    try:
        group.answers = within(EXCHANGE_TIMEOUT, lambda: _carry(pool, line, group.packed, group.count, last))
    except BaseException as error:  # noqa: BLE001 - each of those who wait raises it
        group.error = error
    line.waiting -= bool(last)
    group.done.set()


def _carry(pool: Any, line: _Line, packed: Sequence[bytes], count: int, last: Sequence[Command]) -> list[Any]:
    connection = _take(pool, line)
    try:
        connection.send_packed_command([b"".join([*packed, *map(hiredis.pack_command, last)])])
        answers = [_answer(connection) for _ in range(count + len(last))]
    except BaseException:  # also a deadline's: nobody may read what is still to come
        connection.disconnect()
        pool.release(connection)
        raise
    if len(line.warm) < WARM_MOST:
        line.warm.append((connection, time.monotonic() + WARM))
    else:
        pool.release(connection)
    return answers


def _take(pool: Any, line: _Line) -> Any:
    if line.warm:
        connection, until = line.warm.pop()
        if time.monotonic() < until and not connection.should_reconnect():
            return connection
        pool.release(connection)
    return pool.get_connection()


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _as_pipeline(client: "redis.Redis", commands: Sequence[Command]) -> list[Any]:
    if len(commands) == 1:
        try:
            return [client.execute_command(*commands[0])]  # type: ignore[no-untyped-call]
        except ResponseError as error:
            return [error]
    pipeline = client.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
    return pipeline.execute(raise_on_error=False)
