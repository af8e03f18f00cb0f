"""Taking over the authenticator apps that users enrolled with another system."""

import base64
import hmac
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from msgspec.structs import replace as struct_replace

from service.domain.errors import StateConflict
from service.domain.events import Event
from service.domain.importing import Entry, Refusal
from service.domain.mac import hmac_sha256
from service.domain.user import TotpFactor, User
from service.flows.enroll import MAX_FACTORS
from service.store.users import UserStore

AT_ONCE = 500  # entries to a round trip
_SAVE_TRIES = 5


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of some entries: how many are new, how many were there before, and which were refused."""

    added: int
    known: int
    refused: Sequence[Refusal]


class ImportFactors:
    """Adds apps to users. Again with the same entries, it changes nothing."""

    def __init__(self, users: UserStore, *, key: bytes, clock: Callable[[], int]) -> None:
        self._users = users
        self._key = key
        self._clock = clock

    def __call__(
        self, application: str, entries: Iterable[Entry | Refusal], *, dry_run: bool
    ) -> Iterable[Taken]:
        """Take the entries, some at a time; tells after each time what became of them.

        Raises:
            ValueError: the text that they are read from is not of its format.
            StoreUnavailable: Redis can't be reached; what was told is stored.
        """
        source = iter(entries)
        while some := list(islice(source, AT_ONCE)):
            refused = [entry for entry in some if isinstance(entry, Refusal)]
            good = [entry for entry in some if isinstance(entry, Entry)]
            taken = self._take(application, good, dry_run=dry_run)
            yield replace(taken, refused=(*refused, *taken.refused))

    def _take(self, application: str, entries: Sequence[Entry], *, dry_run: bool) -> Taken:
        waiting: dict[str, list[Entry]] = {}
        for entry in entries:
            waiting.setdefault(entry.user_id, []).append(entry)
        added = known = 0
        refused: list[Refusal] = []
        for _ in range(_SAVE_TRIES):
            changed: list[tuple[User, list[Event]]] = []
            counted: dict[str, int] = {}
            for user in self._users.get_many(application, list(waiting)):
                after, new, full = self._with(user, waiting[user.user_id])
                counted[user.user_id] = new
                if new:
                    event = {"application": application, "user": user.key, "factors": new}
                    changed.append((after, [Event("factor.imported", self._clock(), event)]))
                else:
                    known += len(waiting[user.user_id]) - len(full)
                    refused += full
                    del waiting[user.user_id]
            stored = [True] * len(changed) if dry_run else self._users.save_many(changed)
            for (user, _), done in zip(changed, stored, strict=True):
                if done:  # else it changed meanwhile: looked at again
                    _, _, full = self._with(user, waiting[user.user_id])
                    new = counted[user.user_id]
                    added += new
                    known += len(waiting[user.user_id]) - new - len(full)
                    refused += full
                    del waiting[user.user_id]
            if not waiting:
                return Taken(added, known, refused)
        raise StateConflict("Others kept changing these users. Run it again.", retry_after=1)

    def _with(self, user: User, entries: Sequence[Entry]) -> tuple[User, int, list[Refusal]]:
        """A user with the apps of some entries: the user, how many are new, and those that are too many."""
        new, full = 0, []
        for entry in entries:
            if any(_same_secret(factor.secret, entry.secret) for factor in user.totp):
                continue
            if len(user.totp) >= MAX_FACTORS:
                full.append(Refusal(entry.line, f"user: has {MAX_FACTORS} authenticator apps"))
                continue
            user = struct_replace(user, totp=(*user.totp, self._factor(user, entry)))
            new += 1
        return user, new, full

    def _factor(self, user: User, entry: Entry) -> TotpFactor:
        digest = hmac_sha256(self._key, f"import\0{user.key}\0{entry.secret}".encode())
        return TotpFactor(
            id=f"fa_{user.key[:2]}{base64.urlsafe_b64encode(digest[:16]).decode().rstrip('=')}",
            secret=entry.secret,
            created_at=self._clock(),
            label=entry.label,
            device_name=entry.device_name,
            algorithm=entry.algorithm,
            digits=entry.digits,
            period=entry.period,
        )


def _same_secret(one: str, other: str) -> bool:
    return hmac.compare_digest(one.rstrip("="), other.rstrip("="))
