"""Everything in Redis as plain values, and back: what backups are made of.

By kind of value and not by `DUMP`, so that a backup can be restored to another version of the server.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from service.store import keys
from service.store.connections import Command
from service.store.redis import Store

Kind = Literal["string", "hash", "zset", "list", "set", "stream"]

PART = 1000  # elements of one value in one record


class Kept(Struct, frozen=True, omit_defaults=True):
    """A key and its value, or a part of a long one. `until`: ms since the epoch, 0: for good."""

    key: str
    kind: Kind
    value: Any
    until: int = 0


class Snapshot:
    """Reads and writes all keys of the service."""

    def __init__(self, store: Store, *, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    def is_empty(self) -> bool:
        """Whether there is nothing of the service yet."""
        return next(self._store.scan(keys.ALL), None) is None

    def read(self) -> Iterator[Kept]:
        """Every value; each as it is at one moment, different ones at different moments.

        The schema comes first: what a restore that was interrupted leaves is not taken for an older state.
        """
        yield from self._values([keys.SCHEMA])
        seen = {keys.SCHEMA}
        for names in self._store.scan(keys.ALL):
            wanted = [n for n in dict.fromkeys(names) if n not in seen and not keys.FLEETING.fullmatch(n)]
            seen.update(wanted)
            yield from self._values(wanted)

    def write(self, kept: Sequence[Kept]) -> None:
        """Write values where there are none; what is over by now is left out."""
        now = self._clock()
        commands: list[Command] = []
        for one in kept:
            if one.until and one.until <= now:
                continue
            commands += _WRITE[one.kind](one.key, one.value)
            if one.until:
                commands.append(("PEXPIREAT", one.key, one.until))
        self._store.batch(commands)

    def clear(self) -> None:
        """Remove everything."""
        for names in self._store.scan(keys.ALL):
            self._store.batch([("DEL", name) for name in names])

    def settle(self) -> None:
        """What was written is on disk when this returns."""
        self._store.batch([("SET", keys.RESTORED, self._clock(), "PX", 1000)], durable=True)

    def _values(self, names: Sequence[str]) -> Iterator[Kept]:
        answers = self._store.batch([(word, name) for name in names for word in ("TYPE", "PTTL")])
        kinds, lives = [str(kind, "ascii") for kind in answers[::2]], answers[1::2]
        now = self._clock()
        there = [
            (name, kind, now + life if life >= 0 else 0)
            for name, kind, life in zip(names, kinds, lives, strict=True)
            if kind != "none"
        ]
        values = self._store.batch([_READ[kind](name) for name, kind, _ in there])
        for (name, kind, until), value in zip(there, values, strict=True):
            for part in _PARTS[kind](value):
                yield Kept(name, kind, part, until)  # type: ignore[arg-type]


def _plain(value: bytes | None) -> Iterator[Any]:
    if value is not None:
        yield value


def _pairs(value: Mapping[bytes, bytes]) -> Iterator[Any]:
    items = [item for pair in value.items() for item in pair]
    return _slices(items, 2 * PART)


def _scored(value: Sequence[tuple[bytes, float]]) -> Iterator[Any]:
    return _slices([part for member, score in value for part in (repr(float(score)), member)], 2 * PART)


def _entries(value: Sequence[tuple[bytes, Mapping[bytes, bytes]]]) -> Iterator[Any]:
    whole = [(entry, [item for pair in fields.items() for item in pair]) for entry, fields in value]
    return _slices(whole, PART)


def _slices(items: Sequence[Any], length: int) -> Iterator[Any]:
    for start in range(0, len(items), length):
        yield items[start : start + length]


_READ: Mapping[str, Callable[[str], Command]] = {
    "string": lambda key: ("GET", key),
    "hash": lambda key: ("HGETALL", key),
    "zset": lambda key: ("ZRANGE", key, 0, -1, "WITHSCORES"),
    "list": lambda key: ("LRANGE", key, 0, -1),
    "set": lambda key: ("SMEMBERS", key),
    "stream": lambda key: ("XRANGE", key, "-", "+"),
}
_PARTS: Mapping[str, Callable[[Any], Iterator[Any]]] = {
    "string": _plain,
    "hash": _pairs,
    "zset": _scored,
    "list": lambda value: _slices(value, PART),
    "set": lambda value: _slices(list(value), PART),
    "stream": _entries,
}
_WRITE: Mapping[str, Callable[[str, Any], list[Command]]] = {
    "string": lambda key, value: [("SET", key, value)],
    "hash": lambda key, value: [("HSET", key, *value)],
    "zset": lambda key, value: [("ZADD", key, *value)],
    "list": lambda key, value: [("RPUSH", key, *value)],
    "set": lambda key, value: [("SADD", key, *value)],
    "stream": lambda key, value: [("XADD", key, entry, *fields) for entry, fields in value],
}
