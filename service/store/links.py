"""Links in Redis, sealed. Without the signature, which is not kept, nobody can open one."""

from typing import NamedTuple

import msgspec

from service.domain.links import Link
from service.store import begun, keys
from service.store.redis import Store
from service.store.sealing import Sealer


class Visit(NamedTuple):
    """A link as it stands, and the keyed hash of the cookie of the browser that opened it."""

    link: Link | None
    opened_by: str | None


class LinkStore:
    """The links of all applications."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    def put(self, link: Link, user_key: str, now: int) -> None:
        """Keep it until its visit would be over, or what was begun for its user is ended."""
        name = keys.link(link.id)
        sealed = self._sealer.seal(msgspec.json.encode(link), name)
        kept = ("SET", name, sealed, "PX", max(1, link.until - now))
        self._store.batch([kept, *begun.note(user_key, link.id, link.until, now)])

    def get(self, link_id: str) -> Visit:
        """A link, and who opened it."""
        if not keys.is_id(link_id, "lk"):
            return Visit(None, None)
        name = keys.link(link_id)
        raw, opened_by = self._store.batch([("GET", name), ("GET", keys.link_session(link_id))])
        if raw is None:
            return Visit(None, None)
        link = msgspec.json.decode(self._sealer.open(raw.decode(), name), type=Link)
        return Visit(link, opened_by.decode() if opened_by else None)

    def open(self, link: Link, opened_by: str, now: int) -> bool:
        """Open it for one browser. Returns whether this was the first to."""
        name = keys.link_session(link.id)
        (first,) = self._store.batch([("SET", name, opened_by, "NX", "PX", max(1, link.until - now))])
        return first is not None

    def delete(self, link: Link) -> None:
        """Forget it. Who opened it is remembered until it would have ended."""
        self._store.batch([("DEL", keys.link(link.id))])
