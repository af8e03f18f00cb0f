"""What users and challenges take in Redis, and whether more users make anything slower."""

from collections.abc import Callable

import redis

from service.core import Core
from service.domain.channels import Channel
from service.store import keys
from tests.bench.goals import Row
from tests.bench.operations import EMAIL, START, Compared, Driver
from tests.bench.prepare import Challenges, load_users
from tests.bench.world import World, wait_for

USER_BYTES = 1536
CHALLENGE_BYTES = 1024
CHALLENGES = 5000  # stored to see what one takes
NOISE = 0.9  # of the slowest round with the fewest users, each against the floor of its moment


class Sizes:
    """Grows the installation step by step and measures at each."""

    def __init__(self, world: World, core: Core, driver: Driver, *, rounds: int) -> None:
        self._world = world
        self._core = core
        self._driver = driver
        self._rounds = rounds
        self._enrolled = 0
        self._first: dict[str, Compared] = {}

    def grow(self, users: int, done: Callable[[int], None]) -> list[Row]:
        """Enrol users until there are so many; what they take, and how fast things go with them."""
        before, used = self._enrolled, _used(self._world.redis())
        load_users(self._world.env, before, users, lambda loaded: done(before + loaded))
        _rewrite(self._world.redis())
        self._enrolled = self._driver.users = users
        taken = (_used(self._world.redis()) - used) / (users - before)
        with_users = f"{users} users"
        rows = [Row(with_users, "Redis for a user", taken, "bytes", most=USER_BYTES)]
        rows.append(
            Row(with_users, "Redis for a challenge", self._challenge(), "bytes", most=CHALLENGE_BYTES)
        )
        return rows + self._latency(with_users)

    def _challenge(self) -> float:
        client = self._world.redis()
        before = _used(client) - _tables(client)
        numbers = [number % self._enrolled for number in range(CHALLENGES)]
        ids = Challenges(self._core).store(numbers, [Channel.EMAIL, Channel.TOTP, Channel.BACKUP_CODE])
        tables = _tables(client)
        taken = (_used(client) - tables - before) / CHALLENGES + tables / client.dbsize()
        self._core.store.batch([("DEL", keys.challenge(id_)) for id_ in ids])
        return taken

    def _latency(self, with_users: str) -> list[Row]:
        rows = []
        for operation in (START, EMAIL):
            compared = self._driver.compare(operation, self._rounds)
            first = self._first.setdefault(operation.name, compared)
            if first is not compared:
                rows.append(
                    Row(
                        with_users, f"{operation.name}, of its speed with the fewest users",
                        compared.ratio / first.ratio, "x", least=NOISE * min(first.ratios) / first.ratio,
                        more=f"median {compared.median * 1000:.1f} ms",
                    )
                )  # fmt: skip
        return rows


def _rewrite(client: "redis.Redis") -> None:
    """Let Valkey rewrite its file now, as it would some time after so many writes; it takes a core meanwhile."""

    def idle() -> bool:
        info = client.info("persistence")
        return not info["aof_rewrite_in_progress"] and not info["aof_rewrite_scheduled"]

    wait_for(idle, seconds=120)
    client.bgrewriteaof()
    wait_for(idle, seconds=120)


def _used(client: "redis.Redis") -> int:
    """Bytes of data: without outboxes, which have a bounded length, and what is held for a moment only."""
    info = client.info("memory")
    passing = info.get("mem_clients_normal", 0) + info.get("mem_aof_buffer", 0)
    outboxes = sum(client.memory_usage(keys.outbox(name), samples=0) or 0 for name in keys.partitions())
    return int(info["used_memory"]) - passing - outboxes


def _tables(client: "redis.Redis") -> int:
    """Bytes of the tables by which keys are found: doubled now and then, so a key is reckoned its share."""
    return int(client.memory_stats()["overhead.db.hashtable.lut"])
