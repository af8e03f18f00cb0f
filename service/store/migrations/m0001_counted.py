"""0 -> 1: every user is counted for readiness, and modes share a slot with an outbox.

Version 0.1.0 kept no counters, did not say in a user's record which contacts there are, and kept the modes in
a slot of their own. Versions in between counted only users that changed. Counting begins anew, by new names;
the record of a user who was counted carries the schema (`s`).
"""

from collections.abc import Iterator

from service.store import keys
from service.store.migrations.progress import Progress
from service.store.redis import Store
from service.store.sealing import Sealer
from service.store.users import UserStore


def run(store: Store, sealer: Sealer) -> Iterator[Progress]:
    """Bring up all users, some at a time."""
    _copy_modes(store)
    users = UserStore(store, sealer, b"")
    total = sum(len(user_keys) for user_keys in users.all_keys())
    done = 0
    for user_keys in users.all_keys():
        waiting = user_keys
        while waiting:
            waiting = users.bring_up(waiting)
        done += len(user_keys)
        yield Progress(done, max(total, done))
    store.batch([("DEL", name) for partition in keys.partitions() for name in keys.former_counts(partition)])


def _copy_modes(store: Store) -> None:
    """Where they were they stay: processes of 0.1.0 that still serve go on heeding them."""
    (modes,) = store.batch([("HGETALL", keys.FORMER_MODES)])
    store.batch([("HSETNX", keys.MODES, scope, setting) for scope, setting in modes.items()], durable=True)
