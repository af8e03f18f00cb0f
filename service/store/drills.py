"""Drills in Redis: a hash of those that ended, by id, and of the one that runs, under a name of its own."""

from collections.abc import Sequence

import msgspec

from service.domain.audit import AuditEntry
from service.domain.drills import Drill, Tally
from service.domain.events import Event
from service.store import keys
from service.store.audit import AuditStore, Write
from service.store.connections import Command
from service.store.health import decode_tallies
from service.store.redis import Store

KEPT = 100  # that ended
_RUNNING = "running"


class DrillStore:
    """The drills of one installation; one runs at a time."""

    def __init__(self, store: Store, audit: AuditStore) -> None:
        self._store = store
        self._audit = audit

    def load_command(self) -> Command:
        """The command whose answer `decode` reads: the one that runs."""
        return ("HGET", keys.DRILLS, _RUNNING)

    def decode(self, answer: bytes | None) -> Drill | None:
        """Read it. One that can't be read, of another version perhaps, has no effect: logins go on."""
        try:
            return _read(answer)
        except msgspec.ValidationError:
            return None  # who watches over it says so

    def running(self) -> Drill | None:
        """The one that was not ended, though its time may be over."""
        (answer,) = self._store.batch([self.load_command()])
        return self.decode(answer)

    def to_watch(self) -> Drill | None:
        """The same, for who watches over it.

        Raises:
            msgspec.ValidationError: it can't be read.
        """
        (answer,) = self._store.batch([self.load_command()])
        return _read(answer)

    def all(self) -> list[tuple[Drill, Tally]]:
        """Every drill that is kept and what came of it, newest first."""
        drills, tallies = self._store.batch([("HGETALL", keys.DRILLS), ("HGETALL", keys.HEALTH_DRILLS)])
        kept = [msgspec.json.decode(raw, type=Drill) for raw in drills.values()]
        found = {drill.id: drill for drill in sorted(kept, key=lambda drill: drill.ended_at)}
        counted = decode_tallies(tallies)
        newest_first = sorted(found.values(), key=lambda drill: (drill.started_at, drill.id), reverse=True)
        return [(drill, counted.get(drill.id, Tally())) for drill in newest_first]

    def tally(self, drill_id: str) -> Tally:
        """What came of one so far."""
        (raw,) = self._store.batch([("HGET", keys.HEALTH_DRILLS, drill_id)])
        return msgspec.json.decode(raw, type=Tally) if raw else Tally()

    def start(self, drill: Drill, entry: AuditEntry, event: Event) -> bool:
        """Let one run, unless another one does."""
        write = Write(keys.DRILLS, _RUNNING, msgspec.json.encode(drill), 0)
        return self._audit.record(entry, write=write, events=[event])

    def end(self, drill: Drill, entry: AuditEntry | None, event: Event) -> bool:
        """Let it be over. Safe to do again; returns whether it was this time.

        Args:
            drill: as it is to be kept, still under the version that runs.
            entry: whose deed it is; unset: nobody's.
            event: says so.
        """
        # Kept before it is taken away: what is interrupted in between is done when it is tried again.
        self._audit.change(Write(keys.DRILLS, drill.id, msgspec.json.encode(drill), 0))
        write = Write(keys.DRILLS, _RUNNING, None, drill.version)
        if entry is None:
            return self._audit.change(write, events=[event])
        return self._audit.record(entry, write=write, events=[event])

    def forget(self, ids: Sequence[str]) -> None:
        """Remove those that are too old."""
        if ids:
            self._store.batch([("HDEL", keys.DRILLS, *ids), ("HDEL", keys.HEALTH_DRILLS, *ids)])


def _read(answer: bytes | None) -> Drill | None:
    return msgspec.json.decode(answer, type=Drill) if answer else None
