"""`python -m tests.store.together URL MANY`: exchanges that begin at once, in a process that gevent has patched.

Prints what came of each, as JSON: for `test_store_together.py`.
"""

from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import redis  # noqa: E402

from service.deadline import DeadlineExceeded  # noqa: E402
from service.domain.errors import StoreUnavailable  # noqa: E402
from service.store import exchange as exchanging  # noqa: E402
from service.store.exchange import exchange  # noqa: E402
from service.store.redis import connect  # noqa: E402


class Trial:
    """One server, looked at over a connection of its own."""

    def __init__(self, url: str, many: int) -> None:
        self.url = url
        self.many = many
        self.client = redis.Redis.from_url(url, socket_timeout=3)
        self.beside = redis.Redis.from_url(url)
        exchange(self.client, [("FLUSHALL",)])

    def at_once(self, do: Callable[[int], Any]) -> list[Any]:
        """What each of many got, or the name of its error."""

        def told(number: int) -> Any:
            try:
                return do(number)
            except (redis.RedisError, StoreUnavailable, DeadlineExceeded) as error:
                return type(error).__name__

        tasks = [gevent.spawn(told, number) for number in range(self.many)]
        gevent.joinall(tasks, raise_error=True)
        return [task.value for task in tasks]

    def reads(self) -> int:
        """How often the server has read from its clients."""
        return int(self.beside.info("stats")["total_reads_processed"])

    def calls(self, command: str) -> int:
        """How often the server was asked for something."""
        return int(self.beside.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])

    def own_answers(self) -> object:
        """Each sets and gets what is its own, one with a command that is refused between them."""

        def do(number: int) -> Any:
            between = ("INCR", f"otp:{number}") if number % 2 else ("STRLEN", f"otp:{number}")
            stored, found, length = exchange(
                self.client, [("SET", f"otp:{number}", f"<{number}>"), ("GET", f"otp:{number}"), between]
            )
            return [stored, found.decode(), type(length).__name__]

        exchange(self.client, [("PING",)])
        before = self.reads()
        answers = self.at_once(do)
        return {"answers": answers, "reads": self.reads() - before - 1}

    def one_gives_up(self) -> object:
        """One is killed while it waits."""
        tasks = [
            gevent.spawn(exchange, self.client, [("GET", f"otp:{number}")]) for number in range(self.many)
        ]
        gevent.sleep(0)
        tasks[0].kill(block=False)
        gevent.joinall(tasks)
        return [task.value[0].decode() if isinstance(task.value, list) else "-" for task in tasks]

    def connection_ends(self) -> object:
        """The server closes the connection that they go by; what comes later goes by another one."""
        exchanging.WARM = 1e9
        mine = exchange(self.client, [("CLIENT", "ID")])[0]
        self.beside.client_kill_filter(_id=mine)
        broken = self.at_once(lambda _number: exchange(self.client, [("PING",)]))
        return {"broken": broken, "after": self.at_once(lambda _number: exchange(self.client, [("PING",)]))}

    def durable(self) -> object:
        """Each writes something that must be on disk."""
        store = connect(self.url)
        store.batch([("SET", "otp:x", "y")], durable=True)  # what the server can do is known now
        before = self.calls("waitaof")
        answers = self.at_once(lambda number: store.batch([("SET", f"otp:d{number}", "z")], durable=True))
        return {"answers": answers, "waits": self.calls("waitaof") - before}

    def crowded(self) -> object:
        """One after the other writes something that waits, while somebody waits already."""
        exchanging.CROWD, exchanging.GATHER = 1, 1.0
        wait = ("WAIT", 1, 2000)  # for a replica, and there is none
        before = self.calls("wait")
        first = gevent.spawn(exchange, self.client, [("SET", "otp:x", "y")], [wait])
        gevent.sleep(0.01)  # it has gone out

        def do(number: int) -> Any:
            gevent.sleep(0.001 * number)  # in turns of the loop of their own
            return exchange(self.client, [("SET", f"otp:c{number}", "z")], [wait])

        answers = self.at_once(do)
        return {"answers": [*answers, first.get()], "waits": self.calls("wait") - before}

    def long_alone(self) -> object:
        """One with many commands does not go with the others."""
        long = [("GET", f"otp:{number}") for number in range(exchanging.TOGETHER + 1)]

        def do(number: int) -> int:
            return len(exchange(self.client, [("PING",)] if number else long))

        self.at_once(do)  # there are two connections now
        before = self.reads()
        answers = self.at_once(do)
        return {"answers": answers, "reads": self.reads() - before - 1}

    def silent(self) -> object:
        """The server answers nobody for a while: all are told after the same time, by an error each."""
        exchanging.EXCHANGE_TIMEOUT = 0.2
        raised: list[BaseException] = []

        def do(_number: int) -> None:
            try:
                exchange(self.client, [("PING",)])
            except DeadlineExceeded as error:
                raised.append(error)
                raise

        self.beside.client_pause(600)
        answers = self.at_once(do)
        self.beside.client_unpause()
        exchanging.EXCHANGE_TIMEOUT = 4.0
        return {"answers": answers, "errors": len({id(error) for error in raised})}


def main() -> None:
    """Run them all."""
    trial = Trial(sys.argv[1], int(sys.argv[2]))
    names = ("own_answers", "one_gives_up", "connection_ends", "durable", "crowded", "long_alone", "silent")
    print(json.dumps({name: getattr(trial, name)() for name in names}))


if __name__ == "__main__":
    main()
