"""How a URL becomes connections: to one server, to whichever a Sentinel names, or to the nodes of a cluster.

Nothing is sent twice by itself: a script that ran but whose answer was lost must not run again. Only what a
node says that it did not do (`MOVED`, `ASK`) goes to another one.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisClusterException, RedisError, SlotNotCoveredError
from redis.retry import Retry
from redis.sentinel import Sentinel

CONNECT_TIMEOUT = 1.0  # seconds
COMMAND_TIMEOUT = 3.0  # seconds without a byte; longer than any script, and than WAITAOF may take
EXCHANGE_TIMEOUT = CONNECT_TIMEOUT + COMMAND_TIMEOUT  # seconds for all of it, however its bytes come
MAX_CONNECTIONS = 512  # per process and node: hundreds of challenges may wait for a provider, few for Redis
REFRESH_PAUSE = 0.25  # seconds between looks at who has which slots

Command = tuple[Any, ...]

TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")  # options of a URL, named as redis-py does

_PORTS = {"redis+sentinel": 26379, "redis+cluster": 6379}
_OPTIONS: Mapping[str, Any] = {
    "max_connections": MAX_CONNECTIONS,
    "socket_connect_timeout": CONNECT_TIMEOUT,
    "socket_timeout": COMMAND_TIMEOUT,
    "client_name": "otp-fallback",
    "socket_read_size": 16 * 1024,  # bytes of buffer that each connection has; by default 64 KiB
}


class Node(NamedTuple):
    """A server that takes writes."""

    name: str
    client: "redis.Redis"


class Nodes(Protocol):
    """Where commands go."""

    def spread(self, commands: Sequence[Command]) -> Sequence[tuple[Node, Sequence[int]]]:
        """The servers that commands are for, each with their places in the list.

        Raises:
            RedisError: nobody knows.
        """
        ...

    def refresh(self) -> None:
        """Something went elsewhere, or could not be reached: look again before the next command."""
        ...

    def all(self) -> Sequence[Node]:
        """Every server that has keys."""
        ...

    def at(self, host: str, port: int) -> Node:
        """The server that another one named."""
        ...

    def any(self) -> "redis.Redis":
        """A server, for questions about servers."""
        ...

    def subscriber(self) -> PubSub:
        """A connection of its own, to listen on."""
        ...


class OneServer:
    """One server, given by its address or by a Sentinel."""

    def __init__(self, client: "redis.Redis") -> None:
        self._client = client
        self._node = Node("the server", client)

    def spread(self, commands: Sequence[Command]) -> Sequence[tuple[Node, Sequence[int]]]:
        """All of them to the one."""
        return [(self._node, range(len(commands)))]

    def all(self) -> Sequence[Node]:
        """The one."""
        return [self._node]

    def refresh(self) -> None:
        """The pool asks the Sentinel whenever it connects."""

    def at(self, host: str, port: int) -> Node:
        """There is no other."""
        raise RedisConnectionError(f"{host}:{port} is in a cluster, and REDIS_URL does not say so")

    def any(self) -> "redis.Redis":
        """The one."""
        return self._client

    def subscriber(self) -> PubSub:
        """A connection to it."""
        return self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call,no-any-return]


class Cluster:
    """The primaries of a cluster, by the slots that they have."""

    def __init__(self, places: Sequence[tuple[str, int]], options: Mapping[str, Any]) -> None:
        self._places = places
        self._options = options
        self._lock = threading.Lock()
        self._known: RedisCluster | None = None
        self._stale = False
        self._looked_at = float("-inf")

    def spread(self, commands: Sequence[Command]) -> Sequence[tuple[Node, Sequence[int]]]:
        """Each to the primary of its key's slot; what has no key, to any."""
        cluster = self._cluster()
        groups: dict[str, tuple[Node, list[int]]] = {}
        for place, command in enumerate(commands):
            key = _key_of(command)
            try:
                node = (
                    cluster.nodes_manager.get_node_from_slot(key_slot(key.encode()))
                    if key is not None
                    else cluster.get_primaries()[0]  # type: ignore[no-untyped-call]
                )
            except (SlotNotCoveredError, IndexError, KeyError) as error:
                self.refresh()
                raise RedisConnectionError("no node has this slot") from error
            own = Node(node.name, cluster.get_redis_connection(node))
            groups.setdefault(node.name, (own, []))[1].append(place)
        return list(groups.values())

    def all(self) -> Sequence[Node]:
        """The primaries."""
        cluster = self._cluster()
        primaries = cluster.get_primaries()  # type: ignore[no-untyped-call]
        return [Node(node.name, cluster.get_redis_connection(node)) for node in primaries]

    def refresh(self) -> None:
        """Look again, soon."""
        self._stale = True

    def at(self, host: str, port: int) -> Node:
        """A node by its address, seen before or not."""
        cluster = self._cluster()
        node = cluster.get_node(host=host, port=port)  # type: ignore[no-untyped-call]
        if node is None:
            return Node(f"{host}:{port}", redis.Redis(host=host, port=port, **self._options))
        return Node(node.name, cluster.get_redis_connection(node))

    def any(self) -> "redis.Redis":
        """A primary."""
        cluster = self._cluster()
        return cluster.get_redis_connection(cluster.get_primaries()[0])  # type: ignore[no-untyped-call]

    def subscriber(self) -> PubSub:
        """A connection to some node: what is published is told by all."""
        return self.any().pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call,no-any-return]

    def _cluster(self) -> RedisCluster:
        with self._lock:
            now = time.monotonic()
            if self._known is not None and (not self._stale or now - self._looked_at < REFRESH_PAUSE):
                return self._known
            self._looked_at = now
            try:
                if self._known is None:
                    self._known = RedisCluster(
                        startup_nodes=[
                            ClusterNode(host, port)  # type: ignore[no-untyped-call]
                            for host, port in self._places
                        ],
                        require_full_coverage=False,
                        **self._options,
                    )
                else:
                    self._known.nodes_manager.initialize()
            except RedisClusterException as error:
                raise RedisConnectionError("no node of the cluster answers") from error
            self._stale = False
            return self._known


def nodes_for(url: str) -> Nodes:
    """Where the commands for a URL go; connections are made when they are first used.

    Raises:
        ValueError: the URL can't be understood.
    """
    scheme = urlsplit(url).scheme
    if scheme not in ("redis+sentinel", "redis+cluster"):
        client = redis.Redis.from_url(url, retry=_never(), **_OPTIONS)
        try:
            client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
        except TypeError:  # it would be raised by the first command
            raise ValueError("unknown option after ?") from None
        return OneServer(client)
    places, login, path, query = _parts(url)
    secure = _secure(query)
    if scheme == "redis+cluster":
        placed = [(host, port or _PORTS[scheme]) for host, port in places]
        return Cluster(placed, {**_OPTIONS, **login, **secure})
    name, _, database = path.partition("/")
    client = _sentinel(url).master_for(  # type: ignore[no-untyped-call]
        name, retry=_never(), db=int(database or 0), **_OPTIONS, **login, **secure
    )
    return OneServer(client)


def sentinel_fault(url: str) -> RedisError | None:
    """Why the first Sentinel of a URL can't be asked; that nobody names a primary does not say it."""
    if urlsplit(url).scheme != "redis+sentinel":
        return None
    try:
        _sentinel(url).sentinels[0].ping()
    except RedisError as error:
        return error
    return None


def _sentinel(url: str) -> Sentinel:
    places, _, path, query = _parts(url)
    if not path.partition("/")[0]:
        raise ValueError("expected redis+sentinel://host:port,host:port/name")
    return Sentinel(  # type: ignore[no-untyped-call]
        [(host, port or _PORTS["redis+sentinel"]) for host, port in places],
        sentinel_kwargs={
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": CONNECT_TIMEOUT,
            "retry": _never(),
            **({"password": query["sentinel_password"]} if "sentinel_password" in query else {}),
            **_secure(query),
        },
    )


def _never() -> Retry:
    return Retry(NoBackoff(), 0)


def tls_place(url: str) -> tuple[str, int] | None:
    """Where a server of a URL presents a certificate, if it does: host and port.

    Raises:
        ValueError: the URL can't be understood.
    """
    scheme = urlsplit(url).scheme
    if scheme in ("redis+sentinel", "redis+cluster"):
        places, _, _, query = _parts(url)
        host, port = places[0]
        return (host, port or _PORTS[scheme]) if _secure(query) else None
    parts = urlsplit(url)
    return (parts.hostname or "localhost", parts.port or 6379) if scheme == "rediss" else None


def _secure(query: Mapping[str, str]) -> dict[str, Any]:
    """What a connection by TLS is made with; nothing for one without."""
    files = {name: query[name] for name in TLS_FILES if name in query}
    if query.get("ssl", "false") not in ("true", "false"):
        raise ValueError("expected ssl=true or ssl=false")
    if query.get("ssl") != "true":
        if files:
            raise ValueError(f"{next(iter(files))} needs ssl=true beside it")
        return {}
    return {"ssl": True, "ssl_check_hostname": True, **files}


def _parts(url: str) -> tuple[list[tuple[str, int | None]], dict[str, str], str, dict[str, str]]:
    """Of a URL with several hosts: those, user and password, path, and options."""
    before, _, query_text = url.partition("://")[2].partition("?")
    head, _, path = before.partition("/")
    credentials, at, hosts = head.rpartition("@")
    user, _, password = credentials.partition(":")
    login = {"username": unquote(user), "password": unquote(password)} if at else {}
    login = {name: value for name, value in login.items() if value}
    places: list[tuple[str, int | None]] = []
    for part in hosts.split(","):
        one = urlsplit(f"//{part}")
        if not one.hostname:
            raise ValueError("expected host:port,host:port")
        places.append((one.hostname, one.port))
    query = {name: values[-1] for name, values in parse_qs(query_text).items()}
    if unknown := sorted(set(query) - {"ssl", "sentinel_password", *TLS_FILES}):
        raise ValueError(f"unknown option {unknown[0]}")
    return places, login, unquote(path), query


def _key_of(command: Command) -> str | None:
    """The first key that a command names; all of one command's keys are in one slot."""
    match command:
        case ("EVALSHA", _, int(count), *words):
            return str(words[0]) if count else None
        case ("TIME" | "PING" | "INFO" | "WAIT" | "WAITAOF" | "SCRIPT", *_):
            return None
        case (_, key, *_):
            return str(key)
        case _:
            return None
