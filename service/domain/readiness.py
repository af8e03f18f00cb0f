"""Who would get in if the primary provider died now."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from service.domain.channels import PRIMARY_PROVIDER, TRAITS, Channel
from service.domain.user import User

FALLBACKS = tuple(channel for channel, traits in TRAITS.items() if traits.provider != PRIMARY_PROVIDER)
# The letters that a user's class is made of, as `lib.lua` writes them.
LETTERS = {Channel.TOTP: "t", Channel.EMAIL: "e", Channel.BACKUP_CODE: "b"}


@dataclass(frozen=True, slots=True)
class Readiness:
    """Users who are known here, and how many of them have another way in.

    Attributes:
        users: who have anything at all.
        ready: who have at least one factor that needs no primary provider.
        by_factor: how many have each of those.

    """

    users: int
    ready: int
    by_factor: Mapping[Channel, int]

    @property
    def stuck(self) -> int:
        """Who would be locked out."""
        return self.users - self.ready

    @property
    def share(self) -> float | None:
        """Share of users who would get in, 0 to 1; `None` while there are none."""
        return self.ready / self.users if self.users else None


def has_fallback(user: User) -> bool:
    """Whether a user has a way in that needs no primary provider."""
    return any(user.enrolled(channel) for channel in FALLBACKS)


def summed(classes: Iterable[tuple[str, int]]) -> Readiness:
    """The counters of classes (`pte`: phone, app, e-mail) taken together."""
    users = ready = 0
    by_factor = dict.fromkeys(LETTERS, 0)
    for letters, count in classes:
        users += count
        ready += count if set(letters) & set(LETTERS.values()) else 0
        for channel, letter in LETTERS.items():
            by_factor[channel] += count if letter in letters else 0
    return Readiness(users, ready, by_factor)
