"""What the API and the pages share: each error's HTTP status, and addresses: users' and ours."""

from collections.abc import Mapping
from functools import cache

from flask import abort, request

from service.domain import errors
from service.domain.errors import OtpError
from service.domain.proxies import TrustedProxies
from service.settings import Settings

STATUSES: Mapping[type[OtpError], int] = {
    errors.InvalidInput: 422,
    errors.MalformedBody: 400,
    errors.Unauthenticated: 401,
    errors.ScopeMissing: 403,
    errors.SignatureInvalid: 403,
    errors.NotFound: 404,
    errors.AttemptsInFlight: 409,
    errors.NoOtherChannel: 409,
    errors.NothingToResend: 409,
    errors.StateConflict: 409,
    errors.ModeChanged: 409,
    errors.BackupUnusable: 422,
    errors.TooManyTries: 429,
    errors.RateLimited: 429,
    errors.TooManyFailures: 429,
    errors.UserLocked: 403,
    errors.DrillRefused: 409,
    errors.EnrollmentEnded: 409,
    errors.ResendTooSoon: 429,
    errors.SendsExhausted: 429,
    errors.NoChannelLeft: 503,
    errors.VerificationBegun: 409,
    errors.CheckUnavailable: 503,
    errors.StoreUnavailable: 503,
    errors.LinkInvalid: 404,
    errors.LinkUsed: 410,
    errors.LinkExpired: 410,
    errors.FormForged: 403,
    errors.IdempotencyKeyInvalid: 400,
    errors.IdempotencyKeyReused: 422,
    errors.IdempotencyKeyInUse: 409,
    errors.WebhookDisabled: 409,
    errors.TooManyWebhooks: 409,
    errors.SchemaUnknown: 500,
    errors.KeyUnusable: 500,
}
# An ended challenge is gone when no one can bring it back (410), else in conflict with the request (409).
_GONE = {"expired", "locked"}


def status_of(error: OtpError) -> int:
    """The HTTP status of a domain error."""
    if isinstance(error, errors.ChallengeEnded):
        return 410 if error.status in _GONE else 409
    return STATUSES[type(error)]


def client_address(settings: Settings) -> str | None:
    """Who calls, seen through the proxies that are trusted."""
    forwarded_for = ",".join(request.headers.getlist("X-Forwarded-For"))
    return _proxies(settings.trusted_proxies).caller(request.remote_addr, forwarded_for)


@cache
def _proxies(text: str | None) -> TrustedProxies:
    return TrustedProxies.parse(text or "")


def public_url(settings: Settings) -> str:
    """Where users reach this service; unless set (in development), as this caller does.

    A `Host` that is none is refused (400), for no link could be made with it.
    """
    if settings.public_url:
        return settings.public_url
    if not request.host:
        abort(400)
    return request.host_url.rstrip("/")
