"""One exchange with a server: commands go out in one piece, and their answers come back.

What redis-py puts around that for its commands and pipelines (retries, statistics, events) costs more than
the rest of most requests. Its connections with their pool, its errors and its readings of answers are kept.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import hiredis
import redis
from redis.exceptions import ResponseError

from service.store.connections import Command

WARM = 0.05  # seconds after an exchange in which its connection is taken to be as good as it was
WARM_MOST = 64  # connections of a server that wait so; others go back to their pool, which looks at each anew

# By pool: connections, and until when (monotonic) they are warm; the pool takes them to be in use.
_warm: WeakKeyDictionary[Any, list[tuple[Any, float]]] = WeakKeyDictionary()


def exchange(client: "redis.Redis", commands: Sequence[Command]) -> list[Any]:
    """Run commands in one round trip; what the server refuses stands as an error in its place.

    Raises:
        RedisError: the server can't be reached, or did not answer in time.
    """
    if hasattr(client.execute_command, "__wrapped__"):  # its commands are followed, for traces
        return _as_pipeline(client, commands)
    pool: Any = client.connection_pool
    readings: Any = client.response_callbacks
    connection = _take(pool)
    try:
        connection.send_packed_command([b"".join(map(hiredis.pack_command, commands))])
        answers = [_answer(connection, readings.get(command[0])) for command in commands]
    except BaseException:  # also a deadline's: nobody may read what is still to come
        connection.disconnect()
        pool.release(connection)
        raise
    _put_back(pool, connection)
    return answers


def distrust_idle(client: "redis.Redis") -> None:
    """One connection went silent: those that wait for work may be as dead, and would cost a request each."""
    pool: Any = client.connection_pool
    for connection, _ in _warm.pop(pool, []):
        pool.release(connection)
    pool.disconnect(inuse_connections=False)


def _take(pool: Any) -> Any:
    waiting = _warm.get(pool)
    if waiting:
        connection, until = waiting.pop()
        if time.monotonic() < until and not connection.should_reconnect():
            return connection
        pool.release(connection)
    return pool.get_connection()


def _put_back(pool: Any, connection: Any) -> None:
    waiting = _warm.setdefault(pool, [])
    if len(waiting) < WARM_MOST:
        waiting.append((connection, time.monotonic() + WARM))
    else:
        pool.release(connection)


def _answer(connection: Any, reading: Callable[[Any], Any] | None) -> Any:
    try:
        answer = connection.read_response()
    except ResponseError as error:
        return error
    return answer if reading is None else reading(answer)


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
