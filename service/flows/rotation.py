"""A new master key: everything that lasts is sealed again under it, while the service goes on."""

from collections.abc import Iterator
from dataclasses import dataclass

from service.store.keyring import reseal_keyring
from service.store.redis import Store
from service.store.sealing import Sealer
from service.store.signing import SigningStore
from service.store.users import UserStore
from service.store.webhooks import WebhookStore

OLD_KEY_NEEDED = 3600  # seconds: the longest life of anything sealed that is not sealed again


@dataclass(frozen=True, slots=True)
class Rotated:
    """How far it is: users looked at, and of those the ones that were sealed again."""

    looked_at: int
    resealed: int


class RotateKeys:
    """Begun again after an interruption, it passes over what is done."""

    def __init__(
        self,
        store: Store,
        sealer: Sealer,
        users: UserStore,
        webhooks: WebhookStore,
        signing: SigningStore,
    ) -> None:
        self._store = store
        self._sealer = sealer
        self._users = users
        self._webhooks = webhooks
        self._signing = signing

    @property
    def key_id(self) -> str:
        """The master key that everything will be under."""
        return self._sealer.current

    def __call__(self) -> Iterator[Rotated]:
        """Seal everything again, telling how far it is.

        Raises:
            KeyUnusable: a record is under a key that is not configured.
            StoreUnavailable: Redis can't be reached; what was done stays done.
        """
        reseal_keyring(self._store, self._sealer)
        self._webhooks.reseal()
        self._signing.reseal()
        looked_at = resealed = 0
        for user_keys in self._users.all_keys():
            waiting = user_keys
            while waiting:
                done, waiting = self._users.reseal(waiting)
                resealed += done
            looked_at += len(user_keys)
            yield Rotated(looked_at, resealed)
