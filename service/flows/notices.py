"""Telling users that something changed in how they sign in, at an address that they had before.

Who takes over an account changes its factors and contacts; the owner hears of it (NIST SP 800-63B-4, account
recovery and binding notifications). By e-mail only: Twilio Verify carries codes, nothing else.
"""

from collections.abc import Callable, Sequence

from service.channels.email.change import HEADINGS, ChangeNotices
from service.domain.errors import KeyUnusable
from service.domain.failures import SendFailure
from service.store.health import OutboxEvent
from service.store.notices import DueNotice, NoticeStore
from service.store.users import UserStore
from service.telemetry import logs, metrics

RETRY = 60_000  # ms
GIVE_UP = 86_400_000  # ms after the change
AT_ONCE = 20
AN_HOUR = 10  # notices to one user; whoever changes more often than that is told no more

_log = logs.get("notices")


class NotifyChanges:
    """Notes changes, and tells users of them; the worker's part."""

    def __init__(
        self,
        notices: NoticeStore,
        users: UserStore,
        letters: ChangeNotices | None,
        *,
        clock: Callable[[], int],
    ) -> None:
        self._notices = notices
        self._users = users
        self._letters = letters
        self._clock = clock

    def note(self, events: Sequence[OutboxEvent]) -> None:
        """Remember what users are to be told."""
        if self._letters is None:
            return
        due = [notice for event in events for notice in self._notices_of(event)]
        if due:
            self._notices.note(due, self._clock())

    def claim(self) -> list[DueNotice]:
        """Notices to send now."""
        if self._letters is None:
            return []
        return self._notices.claim(self._clock(), lease=RETRY, limit=AT_ONCE)

    def __call__(self, notice: DueNotice) -> None:
        """Send one; what the mail server does not take now is claimed again later, for a day."""
        now = self._clock()
        if self._letters is None or now > notice.at + GIVE_UP:
            self._notices.done(notice)
            return
        if self._notices.reserve(notice.user) > AN_HOUR:
            metrics.NOTICES.labels(notice.kind, "suppressed").inc()
            _log.warning("notice_suppressed", kind=notice.kind, user=notice.user)
            self._notices.done(notice)
            return
        try:
            self._letters.send(
                notice.kind,
                self._users.open_address(notice.user, notice.sealed),
                notice.locale,
                at=notice.at,
                now=now,
                codes_left=notice.codes_left,
            )
        except SendFailure as failure:
            metrics.NOTICES.labels(notice.kind, "failed").inc()
            _log.warning("notice_not_sent", kind=notice.kind, code=failure.code)
            if failure.maybe_sent or failure.reason.value == "undeliverable":
                self._notices.done(notice)
            self._notices.give_back(notice.user)
            return
        metrics.NOTICES.labels(notice.kind, "sent").inc()
        self._notices.done(notice)

    def _notices_of(self, event: OutboxEvent) -> list[DueNotice]:
        data = event.data
        kinds = [event.type]
        if event.type == "contacts.changed":
            kinds = [f"contacts.changed/{field}" for field in data.get("changed", ())]
        kinds = [kind for kind in kinds if kind in HEADINGS]
        if not kinds:
            return []
        sealed, locale = data.get("address"), data.get("locale")
        if event.type == "backup_code.used":  # written by a script, which can't open the user's record
            sealed, locale = self._present_address(data["user"])
        if sealed is None:
            return []
        left = data.get("remaining")
        return [DueNotice(kind, data["user"], event.at, sealed, locale, left) for kind in kinds]

    def _present_address(self, user_key: str) -> tuple[str | None, str | None]:
        try:
            user = self._users.by_key(user_key)
        except KeyUnusable as error:  # one user's record, and no reason to pass over the others'
            _log.error("notice_not_noted", user=user_key, code=error.code)
            return None, None
        return (self._users.seal_address(user), user.locale) if user else (None, None)
