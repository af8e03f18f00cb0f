"""Looking up one user, as a help desk does."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.domain.challenge import Challenge, Subject
from service.domain.user import User
from service.store.challenges import ChallengeStore
from service.store.users import UserStore

RECENT = 10  # challenges shown


@dataclass(frozen=True, slots=True)
class Found:
    """A user, and the latest challenges that are still kept, newest first."""

    user: User
    challenges: Sequence[tuple[Challenge, Subject]]

    @property
    def known(self) -> bool:
        """Whether there is anything to show."""
        return self.user.version > 0 or bool(self.challenges)


class LookUp:
    """Finds users; it changes nothing."""

    def __init__(self, users: UserStore, challenges: ChallengeStore) -> None:
        self._users = users
        self._challenges = challenges

    def __call__(self, application: str, user_id: str) -> Found:
        """One user of one application."""
        user = self._users.get(application, user_id)
        recent = self._challenges.recent(user.key, RECENT)
        return Found(user, [(challenge, self._challenges.open(challenge)) for challenge in recent])
