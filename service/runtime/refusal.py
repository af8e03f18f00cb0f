"""What gunicorn answers by itself: to requests that are none, or too slow, before our code sees them."""

import json
import secrets
from http import HTTPStatus
from typing import Any

from gunicorn import util

from service.http.headers import DEFAULTS

_CODES = {
    400: ("malformed_request", "This is no HTTP request that can be understood in one way only."),
    408: ("request_timeout", "The request did not come in time."),
    414: ("uri_too_long", "The address is too long."),
    431: ("headers_too_large", "The header is too large, or has too many fields."),
}
_OTHER = ("request_refused", "This request can't be served.")


def answer(status: int) -> bytes:
    """A whole answer, after which the connection is closed. It repeats nothing of what came."""
    phrase = HTTPStatus(status).phrase
    code, detail = _CODES.get(status, _OTHER)
    request_id = secrets.token_hex(8)
    problem = {
        "type": "about:blank",
        "title": phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": request_id,
    }
    body = json.dumps(problem)
    headers = {
        "Connection": "close",
        "Date": util.http_date(),
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "X-Request-Id": request_id,
        **DEFAULTS,
    }
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", body]).encode("ascii")


def write(client: Any, status: int, _reason: str = "", _message: str = "") -> None:
    """Refuse; in gunicorn's place, which would answer in HTML and quote the request."""
    client.refused = True
    client.sendall(answer(status))
