"""Who may use the control API and the inbox: programs and pages of this machine, and no web site.

There is no password, so a page on the internet must not be able to reach it through the user's browser:
a foreign ``Host`` is refused (DNS rebinding), and so is a change asked for by another site (CSRF).
"""

from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import Response, jsonify, request

_READING = {"GET", "HEAD", "OPTIONS"}


def guard(configured_host: str) -> Callable[[], Response | None]:
    """A check to run before every request; it answers 403 to what must not pass."""

    def check() -> Response | None:
        host = request.headers.get("Host", "")
        if not _is_local(host, configured_host):
            return _refuse(f"Host {host!r} is not this machine")
        if request.method in _READING:
            return None
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{host}":
            return _refuse(f"Origin {origin!r} may not change the sandbox")
        if request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            return _refuse("another site may not change the sandbox")
        return None

    return check


def _is_local(host: str, configured_host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name in {"localhost", configured_host.lower()}:
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _refuse(message: str) -> Response:
    response = jsonify(error={"message": message})
    response.status_code = 403
    return response
