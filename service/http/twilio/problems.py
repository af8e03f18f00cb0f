"""Errors as Twilio tells them: one table from ours to its codes (https://www.twilio.com/docs/api/errors)."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from service.domain import errors
from service.domain.errors import OtpError
from service.domain.failures import Reason
from service.http import rate_limits
from service.telemetry import logs

_log = logs.get("http")


class Fault(NamedTuple):
    """An HTTP status, an error code, and what Twilio says of it; `None`: what we say."""

    status: int
    code: int
    message: str | None = None


INVALID = Fault(400, 60200)
UNAUTHENTICATED = Fault(401, 20003, "Authenticate")
FORBIDDEN = Fault(403, 20003)
NOT_FOUND = Fault(404, 20404)
MAX_CHECKS = Fault(429, 60202, "Max check attempts reached")
MAX_SENDS = Fault(429, 60203, "Max send attempts reached")
CONCURRENT = Fault(429, 60212, "Too many concurrent requests for phone number")
TOO_MANY = Fault(429, 20429, "Too Many Requests")
UNAVAILABLE = Fault(503, 20503, "Service Unavailable")
INTERNAL = Fault(500, 20500, "Internal Server Error")
TOO_LARGE = Fault(413, INVALID.code, "Request Entity Too Large")
VERIFICATION_FAILED = Fault(403, 60311, "Factor verification failed")
UNVERIFIED = Fault(403, 60318, "Factor is unverified")
EXPIRED = Fault(403, 60323, "Challenge expired")


class Refusal(Exception):
    """What Twilio refuses in a way of its own."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


FAULTS: Mapping[type[OtpError], Fault] = {
    errors.InvalidInput: INVALID,
    errors.MalformedBody: INVALID,
    errors.Unauthenticated: UNAUTHENTICATED,
    errors.ScopeMissing: FORBIDDEN,
    errors.NotFound: NOT_FOUND,
    errors.EnrollmentEnded: NOT_FOUND,
    errors.AttemptsInFlight: CONCURRENT,
    errors.VerificationBegun: CONCURRENT,
    errors.StateConflict: CONCURRENT,
    errors.TooManyFailures: MAX_CHECKS,
    errors.UserLocked: MAX_CHECKS,
    errors.ResendTooSoon: MAX_SENDS,
    errors.SendsExhausted: MAX_SENDS,
    errors.RateLimited: TOO_MANY,
    errors.CheckUnavailable: UNAVAILABLE,
    errors.StoreUnavailable: UNAVAILABLE,
}

# Why a number can't be reached, as Twilio said it to us.
BARRED: Mapping[str, Fault] = {
    str(found.code): found
    for found in (
        Fault(403, 60205, "SMS is not supported by landline phone number"),
        Fault(403, 60238, "The destination phone number is blocked"),
        Fault(403, 60410, "The destination phone number prefix is temporarily blocked by Fraud Guard"),
        Fault(403, 60605, "The destination phone number is blocked by your Verify Geo Permissions"),
    )
}

# Why nothing could be sent, the first that applies. What is left is an outage.
NOTHING_SENT: Mapping[Reason, Fault] = {
    Reason.FRAUD_SUSPECTED: BARRED["60410"],
    Reason.NOT_ALLOWED: BARRED["60605"],
    Reason.RATE_LIMITED: MAX_SENDS,
    Reason.UNDELIVERABLE: BARRED["60238"],
    Reason.NOT_CONFIGURED: Fault(403, 60223, "Delivery channel disabled"),
}


def register(blueprint: Blueprint) -> None:
    """Answer every error of a blueprint as Twilio does."""

    @blueprint.errorhandler(OtpError)
    def _domain(error: OtpError) -> Response:
        return of_error(error)

    @blueprint.errorhandler(Refusal)
    def _refused(error: Refusal) -> Response:
        return fault(error.fault)

    @blueprint.errorhandler(RequestEntityTooLarge)  # by name: the application has a handler of its own
    def _too_large(_error: RequestEntityTooLarge) -> Response:
        return fault(TOO_LARGE)

    @blueprint.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        return fault(Fault(status, 20000 + status, error.name))

    @blueprint.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        _log.error("unexpected_error", exc_info=error)
        return fault(INTERNAL)


def of_error(error: OtpError) -> Response:
    """The answer to a domain error."""
    found = _fault_of(error)
    message = found.message or error.detail
    if isinstance(error, errors.InvalidInput):
        message = "Invalid parameter " + "; ".join(f"`{f.field}`: {f.message}" for f in error.faults)
    elif found == NOT_FOUND:
        message = f"The requested resource {request.path.removeprefix('/v2')} was not found"
    if found.status >= 500:
        _log.error("request_failed", code=error.code)
    answer = fault(found._replace(message=message), retry_after=error.retry_after)
    answer.headers.update(rate_limits.fields(error.standings))
    return answer


def fault(found: Fault, *, retry_after: int | None = None) -> Response:
    """An error's body and headers."""
    body = {
        "code": found.code,
        "message": found.message,
        "more_info": f"https://www.twilio.com/docs/errors/{found.code}",
        "status": found.status,
    }
    answer = Response(json.dumps(body), found.status, content_type="application/json")
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    if found.status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="Twilio API"'
    return answer


def _fault_of(error: OtpError) -> Fault:
    if isinstance(error, errors.ChallengeEnded):
        return MAX_CHECKS if error.status == "locked" else NOT_FOUND
    if isinstance(error, errors.NoChannelLeft):
        if (barred := BARRED.get(error.barred or "")) is not None:
            return barred
        why = set(error.reasons.values())
        return next((found for reason, found in NOTHING_SENT.items() if reason in why), UNAVAILABLE)
    return FAULTS.get(type(error), INTERNAL)
