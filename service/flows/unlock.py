"""Letting a user begin anew after too many wrong codes, once an operator knows who it is."""

from collections.abc import Callable

from service.domain.audit import Who
from service.domain.errors import NotFound
from service.flows.audit import Audit
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
        """Unlock a user. Returns what there was.

        Raises:
            NotFound: there were no wrong codes in a row.
        """
        key = self._users.key(application, user_id)
        if self._failures.of(key).number == 0:
            raise NotFound("failure")
        before = self._failures.forget(key, self._clock())
        # The trail is kept for good and read by many: a keyed hash stands for the user.
        self._audit.note(
            who, "user.unlock", f"{application}/{key}", reason=reason, before={"failures": before.number}
        )
        return before
