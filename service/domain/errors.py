"""Everything that can go wrong, as values with stable codes.

The codes are part of the API's contract. `service/http/problems.py` maps them to HTTP, and is the only
place that does. `detail` is safe to show and to log: it never holds a code, a secret or a contact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.domain.limits import Standing


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One field of a request and what was expected of it. `field` is a dotted path (`channels.1`)."""

    field: str
    message: str


class OtpError(Exception):
    """Base of the service's errors.

    Attributes:
        code: stable and machine readable.
        detail: one sentence for a person.
        retry_after: seconds until trying again makes sense, or `None`.
        extra: further members of the problem document.
        standings: where the caller stands with the limits that this was about.

    """

    code = "error"

    def __init__(
        self,
        detail: str,
        *,
        retry_after: int | None = None,
        extra: Mapping[str, object] | None = None,
        standings: Sequence[Standing] = (),
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.extra = dict(extra or {})
        self.standings = tuple(standings)


class InvalidInput(OtpError):
    """The request can't be understood or asks for what can't be. Nothing was changed."""

    code = "invalid_request"

    def __init__(self, *faults: FieldFault) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults: Sequence[FieldFault] = faults


class MalformedBody(OtpError):
    """The body is not JSON in UTF-8."""

    code = "malformed_body"


class Unauthenticated(OtpError):
    """No API key, or one that is unknown or revoked."""

    code = "unauthenticated"


class TooManyTries(OtpError):
    """Somebody guesses."""

    code = "too_many_tries"


class RateLimited(OtpError):
    """There were too many of this kind for now; `limit` says which limit it is. Nothing was started."""

    code = "rate_limited"

    def __init__(self, standings: Sequence[Standing], *, wait: int, limit: str) -> None:
        super().__init__(
            f"Too many requests for the limit '{limit}'. Try again in {wait} s.",
            retry_after=wait,
            extra={"limit": limit},
            standings=standings,
        )


class TooManyFailures(OtpError):
    """So many wrong codes in a row that the user has to wait; the code was not compared, nor counted.

    `accepts` says what works all the same: a backup code can't be guessed.
    """

    code = "too_many_failures"


class UserLocked(OtpError):
    """So many wrong codes in a row that only a backup code or an operator helps (SP 800-63B-4 3.2.2)."""

    code = "user_locked"


class BackupUnusable(OtpError):
    """A file is no backup, or not whole."""

    code = "backup_unusable"


class DrillRefused(OtpError):
    """Another drill runs, or there is an outage for real."""

    code = "drill_refused"


class SignatureInvalid(OtpError):
    """A provider's call is not signed, or not by the provider."""

    code = "signature_invalid"


class ScopeMissing(OtpError):
    """The API key is good, but not for this."""

    code = "scope_missing"


class NotFound(OtpError):
    """Nothing by that id in this application. `what` is `challenge`, `factor`, ..."""

    def __init__(self, what: str) -> None:
        super().__init__(f"No such {what}.")
        self.code = f"{what}_not_found"


class ChallengeEnded(OtpError):
    """The challenge is over; `status` says how. Start another."""

    def __init__(self, status: str) -> None:
        super().__init__(f"This challenge is {status}. Start a new one.", extra={"challenge_status": status})
        self.status = status
        self.code = f"challenge_{status}"


class AttemptsInFlight(OtpError):
    """All attempts left are being checked at this moment by other requests."""

    code = "attempts_in_flight"


class NoOtherChannel(OtpError):
    """There is no further channel to switch to; the present ones stay accepted."""

    code = "no_other_channel"


class NothingToResend(OtpError):
    """The present channel sends nothing (`totp`, `backup_code`)."""

    code = "nothing_to_resend"


class ResendTooSoon(OtpError):
    """The cool-down between two sends has not passed."""

    code = "resend_too_soon"


class SendsExhausted(OtpError):
    """This challenge has sent as often as it may."""

    code = "sends_exhausted"


class NoChannelLeft(OtpError):
    """Nothing could be sent, and the user has no other way; `reasons` says why, by channel.

    `barred`: the provider's code for why the recipient can't be reached, if it said so.
    """

    code = "no_channel_left"

    def __init__(self, reasons: Mapping[str, str], barred: str | None = None) -> None:
        super().__init__("No channel is left to answer by.", extra={"channels": dict(reasons)})
        self.reasons = dict(reasons)
        self.barred = barred


class VerificationBegun(OtpError):
    """Another request begins a verification of the same number at this moment."""

    code = "verification_begun"


class CheckUnavailable(OtpError):
    """The provider that made the code can't be asked. No attempt was counted; `accepts` says what works."""

    code = "check_unavailable"


class StateConflict(OtpError):
    """Others kept changing the record; the request changed nothing."""

    code = "state_conflict"


class ModeChanged(OtpError):
    """Somebody else set this scope's mode since the caller looked; `version` says what it is now."""

    code = "mode_changed"

    def __init__(self, version: int) -> None:
        super().__init__(
            "Somebody else changed this mode meanwhile. Look again, and decide anew.",
            extra={"version": version},
        )


class StoreUnavailable(OtpError):
    """Redis can't be reached or can't write. Fails closed: nothing is approved."""

    code = "store_unavailable"

    def __init__(self, detail: str = "The state store is unavailable. Nothing was changed.") -> None:
        super().__init__(detail, retry_after=1)


class EnrollmentEnded(OtpError):
    """The enrolment was confirmed, has expired or used up its attempts. Start another."""

    code = "enrollment_ended"


class LinkInvalid(OtpError):
    """Not a link that was made here, or this browser is not the one that opened it."""

    code = "link_invalid"


class LinkUsed(OtpError):
    """The link was opened by another browser before; it works once."""

    code = "link_used"


class LinkExpired(OtpError):
    """The link, or the visit that it began, is over. Ask for another."""

    code = "link_expired"


class FormForged(OtpError):
    """A form was not sent from the page that it belongs to."""

    code = "form_forged"


class IdempotencyKeyInvalid(OtpError):
    """The `Idempotency-Key` header is not 1-255 visible ASCII characters."""

    code = "idempotency_key_invalid"


class IdempotencyKeyReused(OtpError):
    """The same key came with another request (draft-ietf-httpapi-idempotency-key-header)."""

    code = "idempotency_key_reused"


class IdempotencyKeyInUse(OtpError):
    """The first request with this key is still running."""

    code = "idempotency_key_in_use"


class WebhookDisabled(OtpError):
    """The webhook is told nothing; enable it first."""

    code = "webhook_disabled"


class TooManyWebhooks(OtpError):
    """There are as many as there may be; remove one first."""

    code = "too_many_webhooks"


class SchemaUnknown(OtpError):
    """What is kept was written by a newer version."""

    code = "schema_unknown"


class KeyUnusable(OtpError):
    """A sealed record names a master key that is not configured, or does not open under it."""

    code = "key_unusable"
