"""The console's sessions in Redis: found by the keyed hash of their cookie, gone when nobody uses them."""

import msgspec
from msgspec import Struct

from service.store import keys
from service.store.redis import Store


class Session(Struct, frozen=True, kw_only=True):
    """Somebody is signed in. `key`: the keyed hash of the API key that it was exchanged for; `began`: ms."""

    key: str
    began: int


class SessionStore:
    """The sessions of all operators."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, hashed: str, session: Session, idle: int) -> None:
        """Keep one, for `idle` ms unless it is used."""
        self._store.batch([("SET", keys.session(hashed), msgspec.json.encode(session), "PX", idle)])

    def get(self, hashed: str, idle: int | None) -> Session | None:
        """One of them; with `idle` it is used now, and lasts that much longer (ms)."""
        name = keys.session(hashed)
        command = ("GETEX", name, "PX", idle) if idle is not None else ("GET", name)
        (raw,) = self._store.batch([command])
        return msgspec.json.decode(raw, type=Session) if raw else None

    def count_try(self, origin: str, within: int) -> int:
        """Count a try to sign in from somewhere; how many that makes within some seconds."""
        name = keys.sign_in_tries(origin)
        _, number = self._store.batch([("SET", name, 0, "EX", within, "NX"), ("INCR", name)])
        return int(number)

    def drop(self, hashed: str) -> None:
        """End one."""
        self._store.batch([("DEL", keys.session(hashed))])
