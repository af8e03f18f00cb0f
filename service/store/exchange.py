"""One exchange with a server: commands go out in one piece, and their answers come back.

What redis-py puts around that for its commands and pipelines (retries, statistics, events) costs more than
the rest of most requests. Its connections with their pool, its errors and its readings of answers are kept.
"""

from collections.abc import Callable, Sequence
from typing import Any

import hiredis
import redis
from redis.exceptions import ResponseError

from service.store.connections import Command


def exchange(client: "redis.Redis", commands: Sequence[Command]) -> list[Any]:
    """Run commands in one round trip; what the server refuses stands as an error in its place.

    Raises:
        RedisError: the server can't be reached, or did not answer in time.
    """
    if hasattr(client.execute_command, "__wrapped__"):  # its commands are followed, for traces
        return _as_pipeline(client, commands)
    pool = client.connection_pool
    readings: Any = client.response_callbacks
    connection: Any = pool.get_connection()
    try:
        connection.send_packed_command([b"".join(map(hiredis.pack_command, commands))])
        return [_answer(connection, readings.get(command[0])) for command in commands]
    except BaseException:  # also a deadline's: nobody may read what is still to come
        connection.disconnect()
        raise
    finally:
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
