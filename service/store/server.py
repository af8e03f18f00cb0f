"""What the Redis or Valkey server is, and how it keeps what it is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoPermissionError, RedisError, ResponseError

from service.domain.errors import StoreUnavailable
from service.store.redis import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """A server as it describes itself.

    Attributes:
        kind: `Redis` or `Valkey`.
        version: its own.
        is_replica: whether it only follows another.
        replicas: how many follow it.
        appends: whether it keeps an append-only file.
        append_failed: whether its last write to that file failed.
        fsync: when that file is flushed to disk (`always`, `everysec`, `no`); `None`: it does not tell.
        snapshots: whether it saves snapshots by itself; `None`: it does not tell.
        confirms: whether it says when a write is on disk (`WAITAOF`).
        used: bytes of memory.
        limit: bytes of memory that it may use; 0: any.
        eviction: its `maxmemory-policy`.

    """

    kind: str
    version: str
    is_replica: bool
    replicas: int
    appends: bool
    append_failed: bool
    fsync: str | None
    snapshots: bool | None
    confirms: bool
    used: int
    limit: int
    eviction: str


class InfoDenied(Exception):
    """The user that we log in as may not ask the server about itself."""


def server_facts(store: Store) -> ServerFacts:
    """Ask the server about itself.

    Raises:
        InfoDenied: it does not tell this user.
        StoreUnavailable: it can't be reached.

    """
    try:
        info: Mapping[str, Any] = store.client.info()
    except NoPermissionError:
        raise InfoDenied from None
    except RedisError as error:
        raise StoreUnavailable from error
    valkey = info.get("server_name") == "valkey"
    save = _configured(store, "save")
    return ServerFacts(
        kind="Valkey" if valkey else "Redis",
        version=str(info["valkey_version" if valkey else "redis_version"]),
        is_replica=info["role"] != "master",
        replicas=int(info.get("connected_slaves", 0)),
        appends=bool(info["aof_enabled"]),
        append_failed=info.get("aof_last_write_status") != "ok",
        fsync=_configured(store, "appendfsync"),
        snapshots=None if save is None else bool(save),
        confirms=info["role"] == "master" and store.has_waitaof(),
        used=int(info["used_memory"]),
        limit=int(info.get("maxmemory", 0)),
        eviction=str(info.get("maxmemory_policy", "noeviction")),
    )


def server_time(store: Store) -> int:
    """The server's clock, ms since the epoch."""
    ((seconds, microseconds),) = store.batch([("TIME",)])
    return int(seconds) * 1000 + int(microseconds) // 1000


def _configured(store: Store, name: str) -> str | None:
    """A line of its configuration; managed servers do not show it."""
    try:
        found: dict[str, str] = store.client.config_get(name)  # type: ignore[assignment]
    except ResponseError:
        return None
    except RedisError as error:
        raise StoreUnavailable from error
    return found.get(name)
