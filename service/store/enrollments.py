"""Pending enrolments in Redis: a secret that is not a factor until it was confirmed with a code."""

import msgspec
from msgspec import Struct

from service.domain.totp import DIGITS, PERIOD, Algorithm
from service.store import begun, keys
from service.store.redis import Store
from service.store.sealing import Sealer


class PendingEnrollment(Struct, frozen=True, kw_only=True):
    """An authenticator app about to be enrolled; its id becomes the factor's. Times in ms."""

    id: str
    application: str
    user_id: str
    secret: str
    expires_at: int
    label: str | None = None
    device_name: str | None = None
    locale: str | None = None
    algorithm: Algorithm = "SHA1"
    digits: int = DIGITS
    period: int = PERIOD

    def __repr__(self) -> str:
        return f"PendingEnrollment({self.id})"


class EnrollmentStore:
    """The pending enrolments of all applications."""

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer

    def put(self, enrollment: PendingEnrollment, user_key: str, now: int) -> None:
        """Keep it until it expires, or what was begun for its user is ended."""
        name = keys.enrollment(enrollment.id)
        sealed = self._sealer.seal(msgspec.json.encode(enrollment), name)
        kept = ("SET", name, sealed, "PX", enrollment.expires_at - now)
        self._store.batch([kept, *begun.note(user_key, enrollment.id, enrollment.expires_at, now)])

    def get(self, enrollment_id: str, application: str) -> PendingEnrollment | None:
        """A pending enrolment of this application."""
        if not keys.is_id(enrollment_id, "en"):
            return None
        name = keys.enrollment(enrollment_id)
        (raw,) = self._store.batch([("GET", name)])
        if raw is None:
            return None
        found = msgspec.json.decode(self._sealer.open(raw.decode(), name), type=PendingEnrollment)
        return found if found.application == application else None

    def delete(self, enrollment_id: str) -> None:
        """Forget it."""
        self._store.batch([("DEL", keys.enrollment(enrollment_id))])

    def end_begun(self, user_key: str) -> None:
        """End what was begun for a user, links to pages as well."""
        begun.end(self._store, user_key)
