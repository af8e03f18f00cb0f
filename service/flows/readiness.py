"""Reading how ready the users are for an outage."""

from collections.abc import Sequence

from service.domain.readiness import Readiness, summed
from service.domain.user import User
from service.store.readiness import ReadinessStore
from service.store.users import UserStore


class ReadReadiness:
    """Answers from counters; nobody's record is scanned."""

    def __init__(self, readiness: ReadinessStore, users: UserStore) -> None:
        self._readiness = readiness
        self._users = users

    def __call__(self) -> tuple[Readiness, dict[str, Readiness]]:
        """All users together, and by application."""
        counts = self._readiness.counts()
        applications = sorted({application for application, _ in counts})
        return (
            summed((letters, count) for (_, letters), count in counts.items()),
            {
                name: summed((letters, count) for (of, letters), count in counts.items() if of == name)
                for name in applications
            },
        )

    def stuck(self, after: str, limit: int) -> tuple[Sequence[User], str | None]:
        """Users who would be locked out, some at a time; and after whom to go on, `None` at the end."""
        found = self._readiness.stuck(after, limit)
        return self._users.by_keys(found), found[-1] if len(found) == limit else None
