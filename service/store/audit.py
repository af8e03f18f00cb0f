"""The audit trail in Redis: a stream that is only appended to, in the step that makes the change."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from service.domain.audit import AuditEntry, ChainedEntry, canonical, chained
from service.domain.errors import StateConflict
from service.domain.events import Event
from service.store import keys
from service.store.redis import SCRIPTS, Store, call

_TRIES = 20
PAGE = 500


class Write(NamedTuple):
    """A change of one field of a hash: to a value, or its removal, if it still has a version."""

    hash: str
    field: str
    value: bytes | None
    expected: int | None = None


class AuditStore:
    """The trail of one installation."""

    def __init__(self, store: Store, key: bytes) -> None:
        self._store = store
        self._key = key

    def record(self, entry: AuditEntry, *, write: Write | None = None, events: Sequence[Event] = ()) -> bool:
        """Note a deed and make its change, all or nothing; on disk when it returns.

        Returns:
            Whether it was done: not when what it changes has another version by now.

        Raises:
            StateConflict: too many others wrote to the trail at the same moment.
        """
        return self._apply(canonical(entry), write, events)

    def change(self, write: Write, *, events: Sequence[Event] = ()) -> bool:
        """Make a change that is nobody's deed; as `record`."""
        return self._apply(b"", write, events)

    def _apply(self, text: bytes, write: Write | None, events: Sequence[Event]) -> bool:
        (raw,) = self._store.batch([("GET", keys.AUDIT_HEAD)])
        for _ in range(_TRIES):
            head = raw.decode() if raw else ""
            args: list[object] = [head, chained(self._key, head, text) if text else "", text]
            if write is None:
                args += ["", "", ""]
            else:
                expected = "" if write.expected is None else write.expected
                args += [write.field, expected, write.value if write.value is not None else ""]
            for event in events:
                args += (event.type, event.at, msgspec.json.encode(event.data))
            names = [keys.AUDIT, keys.AUDIT_HEAD, keys.outbox("00"), write.hash if write else keys.AUDIT]
            (reply,) = self._store.batch([call(SCRIPTS["audited"], names, args)], durable=True)
            match reply[0]:
                case b"done":
                    return True
                case b"version":
                    return False
            raw = reply[1] if len(reply) > 1 else None
        raise StateConflict("Others kept writing to the audit trail.", retry_after=1)

    def head(self) -> str:
        """The hash of the newest entry, kept apart from it; empty when there is none."""
        (raw,) = self._store.batch([("GET", keys.AUDIT_HEAD)])
        return raw.decode() if raw else ""

    def oldest_first(self) -> Iterator[ChainedEntry]:
        """The whole trail."""
        start = "-"
        while True:
            (entries,) = self._store.batch([("XRANGE", keys.AUDIT, start, "+", "COUNT", PAGE)])
            yield from map(_read, entries)
            if len(entries) < PAGE:
                return
            start = f"({entries[-1][0].decode()}"

    def newest(self, limit: int, before: str | None = None) -> list[ChainedEntry]:
        """The newest entries, newest first, before an entry's id."""
        end = f"({before}" if before else "+"
        (entries,) = self._store.batch([("XREVRANGE", keys.AUDIT, end, "-", "COUNT", limit)])
        return list(map(_read, entries))


def _read(raw: tuple[bytes, dict[bytes, bytes]]) -> ChainedEntry:
    entry_id, fields = raw
    return ChainedEntry(entry_id.decode(), fields[b"entry"], fields[b"hash"].decode())
