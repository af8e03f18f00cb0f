"""1 -> 2: numbers and e-mail addresses lead to the users who have them.

Users are noted as they are; a process of an earlier version that still serves does not note what it changes.
"""

from collections.abc import Iterator

from service.domain.errors import KeyUnusable
from service.store.keyring import open_keyring
from service.store.migrations.progress import Progress
from service.store.redis import Store
from service.store.sealing import Sealer
from service.store.users import UserStore


def run(store: Store, sealer: Sealer) -> Iterator[Progress]:
    """Note the contacts of all users, some at a time.

    Raises:
        KeyUnusable: there are users, but no data keys that their contacts are hashed with.
    """
    keyring = open_keyring(store, sealer)
    users = UserStore(store, sealer, keyring.names if keyring is not None else b"")
    total = sum(len(user_keys) for user_keys in users.all_keys())
    if total and keyring is None:
        raise KeyUnusable("There are users, but no data keys.")
    done = 0
    for user_keys in users.all_keys():
        users.note_owners(user_keys)
        done += len(user_keys)
        yield Progress(done, max(total, done))
