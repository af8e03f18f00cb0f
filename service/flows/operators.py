"""Who sits at the console: an API key of an operator, exchanged for a session."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

from service.domain.api_keys import ApiKey, Scope
from service.domain.audit import Who
from service.domain.codes import RandomBytes
from service.domain.errors import ScopeMissing, TooManyTries, Unauthenticated
from service.flows.audit import Audit
from service.store import keys
from service.store.api_keys import ApiKeyStore
from service.store.sessions import Session, SessionStore
from service.telemetry import logs

IDLE = 30 * 60_000  # ms after the last look at a page
LONGEST = 12 * 3_600_000  # ms, however busy
TRIES, TRIES_WITHIN = 30, 60  # from one address, seconds
_COOKIE_BYTES = 32

_log = logs.get("console")


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who is signed in. `cookie` is the session's secret."""

    key: ApiKey
    cookie: str

    @property
    def may_operate(self) -> bool:
        """Whether this one may change things, not only look."""
        return Scope.OPS in self.key.scopes


class SignIn:
    """Sessions end when they are idle, after half a day, on leaving, and with their API key."""

    def __init__(
        self,
        sessions: SessionStore,
        api_keys: ApiKeyStore,
        audit: Audit,
        *,
        key: bytes,
        clock: Callable[[], int],
        random_bytes: RandomBytes,
    ) -> None:
        self._sessions = sessions
        self._api_keys = api_keys
        self._audit = audit
        self._key = key
        self._clock = clock
        self._random_bytes = random_bytes

    def __call__(self, presented: str, origin: str | None, former: str | None = None) -> Operator:
        """Exchange an API key for a session.

        Args:
            presented: the key.
            origin: where from.
            former: the cookie that this browser had; its session ends.

        Raises:
            Unauthenticated: it is unknown.
            ScopeMissing: it is no operator's.
            TooManyTries: from that address, within a minute.
        """
        place = keys.keyed_hash(self._key, "sign in", origin or "")
        if self._sessions.count_try(place, TRIES_WITHIN) > TRIES:
            raise TooManyTries("Too many tries to sign in. Wait a minute.", retry_after=TRIES_WITHIN)
        key = self._api_keys.find(presented)
        if key is None:
            _log.warning("sign_in_refused")
            raise Unauthenticated("This API key is unknown or was revoked.")
        if not key.scopes & {Scope.OPS, Scope.OPS_READ}:
            raise ScopeMissing(f"This API key has neither the scope {Scope.OPS} nor {Scope.OPS_READ}.")
        cookie = base64.urlsafe_b64encode(self._random_bytes(_COOKIE_BYTES)).decode().rstrip("=")
        session = Session(key=self._api_keys.hashed(presented), began=self._clock())
        self._sessions.put(self._hashed(cookie), session, IDLE)
        if former is not None:
            self._sessions.drop(self._hashed(former))
        self._audit.note(Who(key.id, origin), "console.sign_in")
        return Operator(key, cookie)

    def visit(self, cookie: str | None, *, looks: bool = True) -> Operator:
        """Whose session a cookie is.

        Args:
            cookie: as the browser sent it.
            looks: a person does, so it is not idle; not a page that keeps itself fresh.

        Raises:
            Unauthenticated: it is over, or never was one.
        """
        session = self._sessions.get(self._hashed(cookie), IDLE if looks else None) if cookie else None
        if cookie is None or session is None or self._clock() - session.began > LONGEST:
            raise Unauthenticated("Sign in first.")
        key = self._api_keys.by_hash(session.key)
        if key is None or not key.scopes & {Scope.OPS, Scope.OPS_READ}:
            raise Unauthenticated("The API key of this session was revoked.")
        return Operator(key, cookie)

    def leave(self, operator: Operator) -> None:
        """End a session."""
        self._sessions.drop(self._hashed(operator.cookie))

    def form_token(self, operator: Operator) -> str:
        """What the console's forms carry, so that no other site can send them."""
        return keys.keyed_hash(self._key, "console form", operator.cookie)

    def _hashed(self, cookie: str) -> str:
        return keys.keyed_hash(self._key, "console", cookie)
