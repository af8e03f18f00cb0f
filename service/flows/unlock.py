"""Letting a user begin anew after too many wrong codes, once an operator knows who it is."""

from collections.abc import Callable
from contextlib import suppress

from service.domain.audit import Who
from service.domain.contacts import contact
from service.domain.errors import InvalidInput, NotFound
from service.flows.audit import Audit
from service.store import keys
from service.store.failures import FailuresInRow, FailureStore
from service.store.users import UserStore


class UnlockUser:
    """Forgets wrong codes in a row."""

    def __init__(
        self, failures: FailureStore, users: UserStore, audit: Audit, *, clock: Callable[[], int]
    ) -> None:
        self._failures = failures
        self._users = users
        self._audit = audit
        self._clock = clock

    def __call__(self, application: str, user_id: str, reason: str, who: Who) -> FailuresInRow:
        """Unlock a user, or a number or address that is verified and nobody's. Returns what there was.

        Raises:
            NotFound: there were no wrong codes in a row.
        """
        found = [key for key in self._keys(application, user_id) if self._failures.of(key).number > 0]
        if not found:
            raise NotFound("failure")
        before = []
        for key in found:
            before.append(self._failures.forget(key, self._clock()))
            # The trail is kept for good and read by many: a keyed hash stands for the user.
            told = {"failures": before[-1].number}
            self._audit.note(who, "user.unlock", f"{application}/{key}", reason=reason, before=told)
        return max(before)

    def _keys(self, application: str, text: str) -> list[str]:
        """Whom it may be: the user of this id, and who stands for the number or address if it is one."""
        found = [self._users.key(application, text)]
        with suppress(InvalidInput):
            hashed = self._users.contact_key(application, contact(text, "user_id"))
            found.append(self._users.key(application, keys.nobody(hashed)))
        return found
