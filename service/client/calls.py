"""Every call of the API, written once as steps; `sync.py` and `aio.py` make methods of them."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

from msgspec import UNSET, UnsetType, structs

from .exchange import Exchange, Reply, Steps, decoded, given, path_of
from .models import (
    AccountLink,
    BackupCodes,
    ChallengeState,
    Channel,
    ChannelState,
    Confirmed,
    Contacts,
    Enrollment,
    Factors,
    Health,
    Incident,
    Incidents,
    Introspection,
    Mode,
    ModeSetting,
    Notice,
    Readiness,
    Unlocked,
    Verdict,
)

LONGEST_LOOK = 50.0  # seconds that one request waits for a change; the service takes 60 at most


class Seen(NamedTuple):
    """A challenge's state, and the mark by which the service tells whether it is still so."""

    state: ChallengeState
    mark: str | None


class Handle:
    """A challenge as its caller holds it: as it was at the last look."""

    def __init__(self, seen: Seen) -> None:
        self.state, self._mark = seen

    def saw(self, seen: Seen) -> None:
        """Take over what was seen; the address of the page comes with the start only."""
        url = seen.state.challenge_url or self.state.challenge_url
        self.state, self._mark = structs.replace(seen.state, challenge_url=url), seen.mark

    @property
    def mark(self) -> str | None:
        """What tells the state apart."""
        return self._mark

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status} {self.channel}>"

    @property
    def id(self) -> str:
        """What the service calls it."""
        return self.state.id

    @property
    def status(self) -> str:
        """pending, approved, expired, locked, canceled or failed."""
        return self.state.status

    @property
    def is_pending(self) -> bool:
        """Whether it can still be answered."""
        return self.state.status == "pending"

    @property
    def is_approved(self) -> bool:
        """Whether it was passed."""
        return self.state.status == "approved"

    @property
    def channel(self) -> Channel | None:
        """Whose prompt to show."""
        return self.state.channel

    @property
    def prompt(self) -> ChannelState | None:
        """What to show now: the channel, and `to`, where its code was sent."""
        return next((c for c in self.state.channels if c.channel == self.state.channel), None)

    @property
    def accepts(self) -> tuple[Channel, ...]:
        """Channels whose codes are accepted."""
        return self.state.accepts

    @property
    def notice(self) -> Notice | None:
        """What to tell the user."""
        return self.state.notice

    @property
    def attempts_remaining(self) -> int:
        """How often a code may still be tried."""
        return self.state.attempts_remaining

    @property
    def proof(self) -> str | None:
        """The signed token that says it was passed."""
        return self.state.proof


def start(
    x: Exchange,
    user_id: str,
    *,
    phone: str | None = None,
    email: str | None = None,
    channels: Sequence[Channel] | None = None,
    locale: str | None = None,
    action: str | None = None,
    client_ip: str | None = None,
    metadata: Mapping[str, str] | None = None,
    min_assurance: str | None = None,
    return_url: str | None = None,
    idempotency_key: str | None = None,
) -> Steps[Seen]:
    """Start a challenge: a code is sent, or the user is asked otherwise.

    Args:
        x: how requests are made.
        user_id: as your application has it.
        phone: E.164.
        email: for codes by e-mail.
        channels: in order; unset: what the user has.
        locale: BCP 47, for codes and notices.
        action: what it is for: `login`.
        client_ip: the user's, for limits.
        metadata: given back as it came.
        min_assurance: channels below it are left out: `aal2`.
        return_url: with it comes `state.challenge_url`, a page that asks the user.
        idempotency_key: one of yours, such as the id of the login; unset: a fresh one.
    """
    body = given(
        user_id=user_id,
        phone=phone,
        email=email,
        channels=list(channels) if channels is not None else None,
        locale=locale,
        action=action,
        client_ip=client_ip,
        metadata=metadata,
        min_assurance=min_assurance,
        return_url=return_url,
    )
    return _seen((yield from x.posted("/v1/challenges", body, key=idempotency_key)))


def get(x: Exchange, challenge_id: str) -> Steps[Seen]:
    """Read a challenge, such as one that another process began."""
    return _seen((yield from x.reply("GET", path_of("challenges", challenge_id))))


def verify(x: Exchange, handle: Handle, code: str, *, channel: Channel | None = None) -> Steps[Verdict]:
    """Check a code, once: whatever is lost on the way, one attempt is counted.

    Raises:
        ChallengeOver: it has ended.
        CheckUnavailable: the provider can't be asked; `accepts` says what works instead.
    """
    path = path_of("challenges", handle.id, "verify")
    verdict = yield from x.post(path, given(code=code, channel=channel), Verdict)
    state = structs.replace(
        handle.state,
        status=verdict.status,
        attempts_remaining=verdict.attempts_remaining,
        notice=verdict.notice or handle.notice,
        approved_by=verdict.channel if verdict.valid else None,
        amr=verdict.amr,
        assurance=verdict.assurance,
        restricted=verdict.restricted,
        proof=verdict.proof,
    )
    handle.saw(Seen(state, None))
    return verdict


def resend(x: Exchange, handle: Handle) -> Steps[None]:
    """Send again by the present channel; earlier codes stay valid."""
    yield from _change(x, handle, "resend")


def switch(x: Exchange, handle: Handle, channel: Channel | None = None) -> Steps[None]:
    """Switch to the next channel, or to a named one."""
    yield from _change(x, handle, "switch", channel=channel)


def cancel(x: Exchange, handle: Handle) -> Steps[None]:
    """End it."""
    yield from _change(x, handle, "cancel")


def refresh(x: Exchange, handle: Handle) -> Steps[None]:
    """Read it again."""
    yield from _look(x, handle, 0)


def wait(x: Exchange, handle: Handle, timeout: float = 20.0) -> Steps[bool]:
    """Wait until it is not what it was at the last look, without asking all the time.

    Returns:
        Whether it changed within `timeout` seconds.
    """
    until = x.clock() + timeout
    while handle.is_pending:
        known = handle.state
        yield from _look(x, handle, max(0.0, min(until - x.clock(), LONGEST_LOOK)))
        if handle.state != known:
            return True
        if x.clock() >= until:
            return False
    return False


def _look(x: Exchange, handle: Handle, seconds: float) -> Steps[None]:
    """Read it; with `seconds`, once it has changed since the last look."""
    # Without a mark there is nothing to compare with: a look at once brings one.
    whole = math.ceil(seconds) if handle.mark is not None else 0
    path = path_of("challenges", handle.id) + (f"?wait={whole}" if whole else "")
    headers = {"if-none-match": handle.mark} if handle.mark is not None else {}
    handle.saw(_seen((yield from x.reply("GET", path, headers=headers, wait=whole))))


def _change(x: Exchange, handle: Handle, what: str, channel: Channel | None = None) -> Steps[None]:
    path = path_of("challenges", handle.id, what)
    handle.saw(_seen((yield from x.posted(path, given(channel=channel)))))


def _seen(reply: Reply) -> Seen:
    return Seen(decoded(reply, ChallengeState), reply.headers.get("etag"))


def introspect_proof(x: Exchange, proof: str, *, use_once: bool = False) -> Steps[Introspection]:
    """Ask whether a proof is good; with `use_once` it is used up with this."""
    body = {"proof": proof, "use_once": use_once}
    return (yield from x.post("/v1/proofs/introspect", body, Introspection))


def begin_enrollment(
    x: Exchange,
    user_id: str,
    *,
    label: str | None = None,
    device_name: str | None = None,
    return_url: str | None = None,
    locale: str | None = None,
) -> Steps[Enrollment]:
    """Begin to enrol an authenticator app."""
    body = given(user_id=user_id, label=label, device_name=device_name, return_url=return_url, locale=locale)
    return (yield from x.post("/v1/enrollments", body, Enrollment))


def confirm_enrollment(x: Exchange, enrollment_id: str, code: str) -> Steps[Confirmed]:
    """Confirm with a code from the app."""
    return (yield from x.post(path_of("enrollments", enrollment_id, "confirm"), {"code": code}, Confirmed))


def factors(x: Exchange, user_id: str) -> Steps[Factors]:
    """What a user has; nothing for one never seen."""
    return (yield from x.get(path_of("users", user_id, "factors"), Factors))


def remove_factor(x: Exchange, user_id: str, factor_id: str) -> Steps[None]:
    """Remove an authenticator app."""
    yield from x.delete(path_of("users", user_id, "factors", factor_id))


def new_backup_codes(x: Exchange, user_id: str) -> Steps[BackupCodes]:
    """Make new backup codes; the old ones are void."""
    return (yield from x.post(path_of("users", user_id, "backup-codes"), {}, BackupCodes))


def account_link(
    x: Exchange, user_id: str, *, return_url: str | None = None, locale: str | None = None
) -> Steps[AccountLink]:
    """Make a link to the page on which a user manages factors."""
    body = given(return_url=return_url, locale=locale)
    return (yield from x.post(path_of("users", user_id, "link"), body, AccountLink))


def set_contacts(
    x: Exchange,
    user_id: str,
    *,
    phone: str | UnsetType | None = UNSET,
    email: str | UnsetType | None = UNSET,
    locale: str | None = None,
) -> Steps[Contacts]:
    """Set contacts that you have verified. What is left out stays, `None` removes."""
    changes = {name: value for name, value in {"phone": phone, "email": email}.items() if value is not UNSET}
    body = {**changes, **given(locale=locale)}
    return (yield from x.put(path_of("users", user_id, "contacts"), body, Contacts))


def unlock(x: Exchange, user_id: str, reason: str) -> Steps[Unlocked]:
    """Let somebody begin anew after too many wrong codes."""
    return (yield from x.post(path_of("users", user_id, "unlock"), {"reason": reason}, Unlocked))


def forget(x: Exchange, user_id: str) -> Steps[None]:
    """Forget a user and everything enrolled."""
    yield from x.delete(path_of("users", user_id))


def mode(x: Exchange) -> Steps[Mode]:
    """The mode in force."""
    return (yield from x.get("/v1/ops/mode", Mode))


def set_mode(
    x: Exchange,
    mode: str,
    *,
    reason: str,
    country: str | None = None,
    application: str | None = None,
    expires_in: int | None = None,
    version: int | None = None,
) -> Steps[ModeSetting]:
    """Set a mode (`auto`, `fallback`, `primary_only`); `expires_in`: seconds.

    Args:
        x: how requests are made.
        mode: which.
        reason: for the audit trail.
        country: a calling code; unset: everywhere.
        application: unset: all.
        expires_in: seconds.
        version: what was seen of this scope; with another by now it is a `Conflict`, and it is tried once.
    """
    body = given(
        mode=mode,
        reason=reason,
        country=country,
        application=application,
        expires_in=expires_in,
        version=version,
    )
    return (yield from x.put("/v1/ops/mode", body, ModeSetting, repeatable=version is None))


def clear_mode(
    x: Exchange, *, reason: str, country: str | None = None, application: str | None = None
) -> Steps[Mode]:
    """Take a country's or an application's mode back."""
    body = given(reason=reason, country=country, application=application)
    return (yield from x.post("/v1/ops/mode/clear", body, Mode))


def health(x: Exchange) -> Steps[Health]:
    """The health of every route."""
    return (yield from x.get("/v1/ops/health", Health))


def readiness(x: Exchange) -> Steps[Readiness]:
    """How many users would get in if the primary provider died now."""
    return (yield from x.get("/v1/ops/readiness", Readiness))


def incidents(x: Exchange, *, open_only: bool = False, limit: int | None = None) -> Steps[Incidents]:
    """Recorded outages, newest first."""
    query = urlencode(given(open="true" if open_only else None, limit=limit))
    return (yield from x.get("/v1/ops/incidents" + (f"?{query}" if query else ""), Incidents))


def incident(x: Exchange, incident_id: str) -> Steps[Incident]:
    """One of them, with its timeline."""
    return (yield from x.get(path_of("ops", "incidents", incident_id), Incident))


def update_incident(
    x: Exchange, incident_id: str, text: str, *, public: bool = False, status: str | None = None
) -> Steps[Incident]:
    """Say something about it; `public`: on the status page too."""
    body = given(text=text, public=public, status=status)
    return (yield from x.post(path_of("ops", "incidents", incident_id, "updates"), body, Incident))
