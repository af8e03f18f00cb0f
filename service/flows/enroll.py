"""Enrolling an authenticator app: nothing counts until a code has confirmed it."""

from collections.abc import Callable
from typing import NamedTuple

from msgspec.structs import replace

from service.channels.backup_code import hash_backup_code
from service.domain.codes import RandomBytes, new_backup_codes, normalise_numeric
from service.domain.errors import EnrollmentEnded, FieldFault, InvalidInput, NotFound, StateConflict
from service.domain.events import Event
from service.domain.totp import DIGITS, PERIOD, Algorithm, clock_offset, new_secret
from service.domain.user import TotpFactor, User
from service.store import keys
from service.store.enrollments import EnrollmentStore, PendingEnrollment
from service.store.users import UserStore

LIFE = 900_000  # ms to scan and confirm
MAX_FACTORS = 10  # authenticator apps of one user
_SAVE_TRIES = 10


class TotpForm(NamedTuple):
    """What an app is to reckon with; the defaults are what every app can do. `secret` unset: a fresh one."""

    secret: str | None = None
    algorithm: Algorithm = "SHA1"
    digits: int = DIGITS
    period: int = PERIOD


class Enroll:
    """Enrols authenticator apps and manages what is enrolled."""

    def __init__(
        self,
        users: UserStore,
        enrollments: EnrollmentStore,
        *,
        codes_key: bytes,
        clock: Callable[[], int],
        random_bytes: RandomBytes,
    ) -> None:
        self._users = users
        self._enrollments = enrollments
        self._codes_key = codes_key
        self._clock = clock
        self._random_bytes = random_bytes

    def begin(
        self,
        application: str,
        user_id: str,
        *,
        label: str | None = None,
        device_name: str | None = None,
        locale: str | None = None,
        form: TotpForm | None = None,
    ) -> PendingEnrollment:
        """A fresh secret to scan. The user's present apps go on working, confirmed or not."""
        now, user_key = self._clock(), self._users.key(application, user_id)
        form = form or TotpForm()
        enrollment = PendingEnrollment(
            id=keys.new_id("en", user_key, self._random_bytes(16)),
            application=application,
            user_id=user_id,
            secret=form.secret or new_secret(self._random_bytes),
            algorithm=form.algorithm,
            digits=form.digits,
            period=form.period,
            label=label,
            device_name=device_name,
            locale=locale,
            expires_at=now + LIFE,
        )
        self._enrollments.put(enrollment, user_key, now)
        return enrollment

    def pending(self, application: str, enrollment_id: str) -> PendingEnrollment:
        """An enrolment that was begun. Raises `NotFound` once it is confirmed or has expired."""
        enrollment = self._enrollments.get(enrollment_id, application)
        if enrollment is None:
            raise NotFound("enrollment")
        return enrollment

    def clock_offset(self, application: str, enrollment_id: str, code: str) -> int | None:
        """By how many seconds the clock of the app is off that showed a wrong code; `None`: not that.

        Raises:
            NotFound: no such enrolment, or it has expired.
        """
        enrollment = self.pending(application, enrollment_id)
        numeric = normalise_numeric(code)
        return clock_offset(enrollment.secret, numeric, self._clock()) if numeric else None

    def confirm(
        self,
        application: str,
        enrollment_id: str,
        code: str,
        *,
        locale: str | None = None,
        backup_codes: bool = True,
    ) -> tuple[TotpFactor, tuple[str, ...] | None]:
        """Make the app a factor; with a user's first one come backup codes, to be shown once.

        Args:
            application: whose user it is.
            enrollment_id: what `begin` gave.
            code: what the app shows.
            locale: the language that the user was seen to read, for later letters.
            backup_codes: whether the caller can show any.

        Raises:
            NotFound: no such enrolment, or it has expired.
            EnrollmentEnded: it was confirmed already.
            InvalidInput: the code is not the app's present one.
        """
        enrollment = self.pending(application, enrollment_id)
        now = self._clock()
        numeric = normalise_numeric(code)
        unconfirmed = TotpFactor(
            id=factor_id_of(enrollment.id),
            secret=enrollment.secret,
            label=enrollment.label,
            device_name=enrollment.device_name,
            algorithm=enrollment.algorithm,
            digits=enrollment.digits,
            period=enrollment.period,
            created_at=now,
        )
        step = unconfirmed.step_of(numeric, now) if numeric else None
        if step is None:
            raise InvalidInput(
                FieldFault("code", "not the app's present code; if it keeps failing, check the phone's clock")
            )
        factor = replace(unconfirmed, last_step=step)  # the confirming code can't be used to log in

        spoken = enrollment.locale or locale

        def add(user: User) -> tuple[User, tuple[str, ...] | None, list[Event]]:
            if any(known.id == factor.id for known in user.totp):
                raise EnrollmentEnded("This enrolment was confirmed already.")
            if len(user.totp) >= MAX_FACTORS:
                raise InvalidInput(
                    FieldFault("user_id", f"has {MAX_FACTORS} authenticator apps; remove one first")
                )
            added = replace(user, totp=(*user.totp, factor), locale=spoken or user.locale)
            fresh = None
            if backup_codes and not user.totp and not user.backup_codes:
                added, fresh = self._with_backup_codes(added, now)
            return (
                added,
                fresh,
                [_event("factor.enrolled", user, now, factor=factor.id, type="totp", **self._former(added))],
            )

        shown = self._change(application, enrollment.user_id, add)
        self._enrollments.delete(enrollment.id)
        return factor, shown

    def give_up(self, application: str, enrollment_id: str) -> None:
        """End an enrolment before it was confirmed. Raises `NotFound`."""
        self._enrollments.delete(self.pending(application, enrollment_id).id)

    def user(self, application: str, user_id: str) -> User:
        """What a user has; one never seen before has nothing."""
        return self._users.get(application, user_id)

    def rename(self, application: str, user_id: str, factor_id: str, device_name: str) -> None:
        """Call an app by another name. Raises `NotFound`."""
        now = self._clock()

        def name(user: User) -> tuple[User, None, list[Event]]:
            if all(factor.id != factor_id for factor in user.totp):
                raise NotFound("factor")
            named = tuple(
                replace(factor, device_name=device_name) if factor.id == factor_id else factor
                for factor in user.totp
            )
            return replace(user, totp=named), None, [_event("factor.renamed", user, now, factor=factor_id)]

        self._change(application, user_id, name)

    def remove(self, application: str, user_id: str, factor_id: str) -> None:
        """Forget an app. Raises `NotFound`."""
        now = self._clock()

        def drop(user: User) -> tuple[User, None, list[Event]]:
            kept = tuple(factor for factor in user.totp if factor.id != factor_id)
            if len(kept) == len(user.totp):
                raise NotFound("factor")
            return (
                replace(user, totp=kept),
                None,
                [_event("factor.removed", user, now, factor=factor_id, **self._former(user))],
            )

        self._change(application, user_id, drop)

    def reset(self, application: str, user_id: str) -> User:
        """Remove every app and backup code, as for somebody who lost the phone; contacts stay.

        Enrolments and pages that are open end: whoever has them may be who has the phone.

        Returns the user as it was. Raises `NotFound` when there was nothing to remove.
        """
        now = self._clock()
        before: list[User] = []

        def drop(user: User) -> tuple[User, None, list[Event]]:
            if not user.totp and not user.backup_codes:
                raise NotFound("factor")
            before[:] = [user]
            bare = replace(user, totp=(), backup_codes=(), backup_codes_at=0)
            event = _event("user.reset", user, now, factors=len(user.totp), **self._former(user))
            return bare, None, [event]

        self._change(application, user_id, drop)
        self._enrollments.end_begun(before[0].key)
        return before[0]

    def new_backup_codes(self, application: str, user_id: str) -> tuple[str, ...]:
        """Ten fresh codes; the old ones are void."""
        now = self._clock()

        def renew(user: User) -> tuple[User, tuple[str, ...], list[Event]]:
            renewed, fresh = self._with_backup_codes(user, now)
            return renewed, fresh, [_event("backup_codes.renewed", user, now, **self._former(user))]

        codes = self._change(application, user_id, renew)
        return codes or ()

    def set_contacts(self, application: str, user_id: str, **contacts: object) -> User:
        """Set `phone`, `email` and `locale`; what is not named stays, `None` removes."""
        now = self._clock()

        def put(user: User) -> tuple[User, None, list[Event]]:
            changed = replace(user, **contacts)
            differ = [name for name in ("email", "phone") if getattr(user, name) != getattr(changed, name)]
            event = _event("contacts.changed", user, now, changed=differ, **self._former(user))
            return changed, None, [event] if differ else []

        self._change(application, user_id, put)
        return self._users.get(application, user_id)

    def forget(self, application: str, user_id: str) -> None:
        """Remove a user with everything enrolled, and end enrolments and pages that are open."""
        for _ in range(_SAVE_TRIES):
            user = self._users.get(application, user_id)
            event = _event("user.deleted", user, self._clock(), **self._former(user))
            if user.version == 0 or self._users.delete(user, [event]):
                self._enrollments.end_begun(user.key)
                return
        raise _conflict()

    def _former(self, user: User) -> dict[str, object]:
        """Where to tell a user of a change: at the address from before it, whatever becomes of that."""
        if user.email is None:
            return {}
        return {"address": self._users.seal_address(user), "locale": user.locale}

    def _with_backup_codes(self, user: User, now: int) -> tuple[User, tuple[str, ...]]:
        fresh = new_backup_codes(self._random_bytes)
        hashes = tuple(
            hashed for code in fresh if (hashed := hash_backup_code(self._codes_key, user.application, code))
        )
        return replace(user, backup_codes=hashes, backup_codes_at=now), fresh

    def _change(
        self,
        application: str,
        user_id: str,
        change: Callable[[User], tuple[User, tuple[str, ...] | None, list[Event]]],
    ) -> tuple[str, ...] | None:
        """Apply a change to a user as it is now; again when it changed meanwhile."""
        for _ in range(_SAVE_TRIES):
            before = self._users.get(application, user_id)
            changed, result, events = change(before)
            if self._users.save(changed, events, before=before):
                return result
        raise _conflict()


def factor_id_of(enrollment_id: str) -> str:
    """The id that the factor of an enrolment has, or will have."""
    return enrollment_id.replace("en_", "fa_", 1)


def was_believed(factor: TotpFactor, code: str) -> bool:
    """Whether a code is the one that an app was believed by last: used up, so it is nobody's secret."""
    numeric = normalise_numeric(code)
    if numeric is None or factor.last_step == 0:
        return False
    return factor.step_of(numeric, factor.last_step * factor.period * 1000) == factor.last_step


def _event(kind: str, user: User, at: int, **data: object) -> Event:
    return Event(kind, at, {"application": user.application, "user": user.key, **data})


def _conflict() -> StateConflict:
    return StateConflict("Somebody else changed this user at the same moment.", retry_after=1)
