"""Twilio's refusals: one table of what each failure says over HTTP, and the exception that carries it."""

from typing import NamedTuple


class Answer(NamedTuple):
    """How Twilio words one kind of refusal: HTTP status, error code, message."""

    status: int
    code: int
    message: str


#: Kind of failure -> Twilio's answer (https://www.twilio.com/docs/api/errors).
ANSWERS: dict[str, Answer] = {
    "http_500": Answer(500, 20500, "Internal Server Error"),
    "http_503": Answer(503, 20503, "Service Unavailable"),
    "unauthorized": Answer(401, 20003, "Authenticate"),
    "suspended": Answer(403, 20005, "Account not active"),
    "throttled": Answer(429, 20429, "Too Many Requests"),
    "concurrent": Answer(429, 60212, "Too many concurrent requests for phone number"),
    "landline": Answer(403, 60205, "SMS is not supported by landline phone number"),
    "geo": Answer(403, 60605, "The destination phone number is blocked by your Verify Geo Permissions"),
    "fraud": Answer(403, 60410, "The destination phone number prefix is temporarily blocked by Fraud Guard"),
    "blocked": Answer(403, 60238, "The destination phone number is blocked"),
    "channel_disabled": Answer(403, 60223, "Delivery channel disabled"),
    "max_sends": Answer(429, 60203, "Max send attempts reached"),
    "max_checks": Answer(429, 60202, "Max check attempts reached"),
    "invalid_parameter": Answer(400, 60200, "Invalid parameter"),
    "wrong_service": Answer(404, 20404, "The requested resource was not found"),
    "not_found": Answer(404, 20404, "The requested resource was not found"),
}


class Refusal(Exception):
    """A request that is answered with an error; ``kind`` names a row of `ANSWERS`."""

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        self.status, self.code, message = ANSWERS[kind]
        self.message = f"{message} {detail}".rstrip()
        super().__init__(self.message)

    def body(self) -> dict[str, object]:
        """Twilio's JSON error body."""
        return {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def invalid(parameter: str, value: str) -> Refusal:
    """400/60200 for a named parameter, worded as Twilio words it."""
    return Refusal("invalid_parameter", f"`{parameter}`: {value}")


def not_found(path: str) -> Refusal:
    """404/20404 for a resource path."""
    refusal = Refusal("not_found")
    refusal.message = f"The requested resource {path} was not found"
    return refusal
