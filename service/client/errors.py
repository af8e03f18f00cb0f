"""What can go wrong, by what a caller can do about it. `code` is stable (see `openapi.yaml`)."""

from collections.abc import Mapping
from typing import Any


class OtpFallbackError(Exception):
    """Base of all of them."""


class NoAnswer(OtpFallbackError):
    """No answer came within the time: the service, or the way to it, is down.

    What was asked for may have been done all the same; calling again is safe, by the same rules.
    """


class BadAnswer(OtpFallbackError):
    """What answered is not otp-fallback, or one that this client does not know."""


class ProofInvalid(OtpFallbackError):
    """A proof is forged, over, or somebody else's."""


class Refused(OtpFallbackError):
    """The service refused.

    Attributes:
        status: of HTTP.
        code: why, stable.
        detail: why, in words.
        retry_after: seconds until it makes sense to try again, where that is known.
        request_id: as the service logs it.
        extra: further members of the problem document.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.detail = str(problem.get("detail", ""))
        self.retry_after = retry_after
        self.request_id: str | None = problem.get("request_id")
        self.extra = {name: value for name, value in problem.items() if name not in _KNOWN}
        super().__init__(f"{self.code}: {self.detail} (request {self.request_id})")


class InvalidRequest(Refused):
    """What was sent is not valid; `faults` tells (field, what was expected)."""

    @property
    def faults(self) -> list[tuple[str, str]]:
        """Fields at fault."""
        return [(fault["field"], fault["message"]) for fault in self.extra.get("errors") or []]


class NotAllowed(Refused):
    """The API key is unknown, revoked or lacks the scope; or an operator locked the user."""


class NotFound(Refused):
    """It is not there, or is another application's."""


class ChallengeOver(Refused):
    """The challenge has ended: start a new one."""


class Conflict(Refused):
    """It can't be done in this state."""


class LimitReached(Refused):
    """Too much of it; `retry_after` tells when there is more. `limit` names the limit."""

    @property
    def limit(self) -> str | None:
        """Which one."""
        return self.extra.get("limit")


class CheckUnavailable(Refused):
    """The provider could not be asked whether the code is right; no attempt was counted."""

    @property
    def accepts(self) -> list[str]:
        """The channels whose codes can be checked now."""
        return list(self.extra.get("accepts") or [])


class Unavailable(Refused):
    """The service can't work at present."""


_KNOWN = {"type", "title", "status", "detail", "code", "request_id"}
_BY_CODE = {"check_unavailable": CheckUnavailable}
_BY_STATUS = {
    400: InvalidRequest,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: ChallengeOver,
    413: InvalidRequest,
    422: InvalidRequest,
    429: LimitReached,
}


def refusal(status: int, problem: Mapping[str, Any], retry_after: float | None) -> Refused:
    """The error of an answer."""
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else Refused)
    if "challenge_status" in problem:
        kind = ChallengeOver
    return _BY_CODE.get(str(problem.get("code")), kind)(status, problem, retry_after)
