"""The data keys: made once, kept in Redis sealed under the master key, the same for every process.

So the master key can be rotated without renaming every record, and nothing in Redis tells who or what a
record is about.
"""

import base64
import json
from dataclasses import dataclass

from service.domain.codes import RandomBytes
from service.store import keys
from service.store.redis import Store
from service.store.sealing import Sealer


@dataclass(frozen=True, slots=True)
class Keyring:
    """Data keys, 32 bytes each.

    Attributes:
        names: for the keyed hashes that stand for users, numbers and API keys in key names.
        codes: for the one-time codes and the hashes of backup codes.
        proofs: the Ed25519 seed that signs proofs until the first rotation (`store/signing.py`).

    """

    names: bytes
    codes: bytes
    proofs: bytes

    def __repr__(self) -> str:
        return "Keyring(...)"


def open_keyring(store: Store, sealer: Sealer) -> Keyring | None:
    """The installation's keys; `None` while there are none.

    Raises:
        StoreUnavailable: Redis can't be reached.
        KeyUnusable: they are sealed under a key that is not configured.

    """
    (sealed,) = store.batch([("GET", keys.KEYRING)])
    if sealed is None:
        return None
    opened = json.loads(sealer.open(sealed.decode(), keys.KEYRING))
    return Keyring(**{name: base64.b64decode(opened[name]) for name in Keyring.__slots__})


def reseal_keyring(store: Store, sealer: Sealer) -> bool:
    """Seal the data keys under the present master key; whether they were under another one."""
    (sealed,) = store.batch([("GET", keys.KEYRING)])
    if sealed is None or sealer.is_current(sealed.decode()):
        return False
    text = sealer.seal(sealer.open(sealed.decode(), keys.KEYRING), keys.KEYRING)
    store.batch([("SET", keys.KEYRING, text)], durable=True)
    return True


def load_keyring(store: Store, sealer: Sealer, random_bytes: RandomBytes) -> Keyring:
    """The installation's keys; the first process to ask makes them.

    Raises:
        StoreUnavailable: Redis can't be reached.
        KeyUnusable: they are sealed under a key that is not configured.

    """
    while (found := open_keyring(store, sealer)) is None:
        fresh = {name: base64.b64encode(random_bytes(32)).decode() for name in Keyring.__slots__}
        text = sealer.seal(json.dumps(fresh).encode(), keys.KEYRING)
        store.batch([("SET", keys.KEYRING, text, "NX")], durable=True)
    return found
