"""The API's stable error codes, from the errors themselves: their statuses, and what they mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from service.domain import errors
from service.edge import STATUSES, status_of

ENDED = (
    "challenge_approved",
    "challenge_canceled",
    "challenge_failed",
    "challenge_expired",
    "challenge_locked",
)
_KINDS = ("challenge", "enrollment", "factor", "failure", "incident", "drill", "suspect", "webhook")
# Of every operation that needs an API key, and of every POST besides (`Idempotency-Key`).
COMMON = (
    *("bad_request", "malformed_body", "unauthenticated", "scope_missing", "body_too_large"),
    *("invalid_request", "internal_error", "key_unusable", "store_unavailable"),
)
OF_POST = ("idempotency_key_invalid", "idempotency_key_in_use", "idempotency_key_reused")


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A code that callers may rely on."""

    code: str
    status: int
    meaning: str


@cache
def known() -> Mapping[str, ErrorCode]:
    """All of them by their names."""
    found = [
        ErrorCode("bad_request", 400, "The request is not HTTP as this service takes it."),
        ErrorCode("not_found", 404, "There is nothing at this address."),
        ErrorCode("body_too_large", 413, "The body is larger than is taken."),
        ErrorCode("internal_error", 500, "Something went wrong here. It was logged."),
    ]
    for kind, status in STATUSES.items():
        if kind is not errors.NotFound:
            found.append(ErrorCode(kind.code, status, _meaning(kind)))
    for what in _KINDS:
        missing = errors.NotFound(what)
        found.append(ErrorCode(missing.code, status_of(missing), f"No such {what} in this application."))
    for status_word in (code.removeprefix("challenge_") for code in ENDED):
        ended = errors.ChallengeEnded(status_word)
        found.append(ErrorCode(ended.code, status_of(ended), ended.detail))
    return {entry.code: entry for entry in found}


def _meaning(kind: type[errors.OtpError]) -> str:
    first, _, _ = (kind.__doc__ or "").strip().partition("\n\n")
    return " ".join(first.split())
