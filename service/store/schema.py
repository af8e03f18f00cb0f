"""The schema of what is kept: which one it is, and how it is brought to that of this version.

Any number of processes may start at once: one of them, by a lease, brings the state up, the others wait for
it. If it dies the next one begins again; so the lease saves work, and nothing rests on it.
"""

import time
from collections.abc import Iterator, Sequence

from service.domain.errors import SchemaUnknown
from service.store import keys
from service.store.migrations import CURRENT, MIGRATIONS, Migration
from service.store.migrations.progress import Progress
from service.store.redis import Store
from service.store.sealing import Sealer

LEASE = 10_000  # ms; longer than the part of a migration that is done at once
PAUSE = 0.2  # seconds between looks whether another process is done


class Schema:
    """The schema of one installation's state."""

    def __init__(self, store: Store, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self._store = store
        self._migrations = migrations
        self._known = migrations[-1].schema

    def read(self) -> int | None:
        """The schema; `None` while nothing is kept. What was kept before schemas had numbers is of 0.

        Raises:
            SchemaUnknown: it is none that this version knows.
            StoreUnavailable: Redis can't be reached.

        """
        stamp, has_keyring = self._store.batch([("GET", keys.SCHEMA), ("EXISTS", keys.KEYRING)])
        if stamp is None:
            return 0 if has_keyring else None
        found = stamp.decode("ascii", "replace")
        if not found.isdecimal() or int(found) > self._known:
            raise unknown(found, self._known)
        return int(found)

    def begin(self) -> None:
        """Give an empty state its schema, before anything is kept in it. Raises as `read`."""
        if self.read() is None:
            self._store.batch([("SET", keys.SCHEMA, self._known, "NX")], durable=True)

    def bring_up(self, sealer: Sealer) -> Iterator[Progress]:
        """Bring an older state up, or wait until another process has done it; tells how far it is.

        Raises:
            SchemaUnknown: a newer version was faster.
            StoreUnavailable: Redis can't be reached; what was done stays done.

        """
        while (found := self.read()) is not None and found < self._known:
            (taken,) = self._store.batch([("SET", keys.SCHEMA_LEASE, 1, "NX", "PX", LEASE)])
            if not taken:
                time.sleep(PAUSE)
                continue
            for migration in self._migrations:
                if migration.schema > found:
                    yield from self._run(migration, sealer)
            self._store.batch([("DEL", keys.SCHEMA_LEASE)])

    def _run(self, migration: Migration, sealer: Sealer) -> Iterator[Progress]:
        for progress in migration.run(self._store, sealer):
            self._store.batch([("SET", keys.SCHEMA_LEASE, 1, "PX", LEASE)])
            yield progress
        self._store.batch([("SET", keys.SCHEMA, migration.schema)], durable=True)


def unknown(found: object, known: int = CURRENT) -> SchemaUnknown:
    """The error that says what to do about a schema of another version."""
    return SchemaUnknown(
        f"The state is of schema {found!s:.20}, and this version of otp-fallback knows {known} at most:"
        " run the version that wrote it, or a newer one."
    )
