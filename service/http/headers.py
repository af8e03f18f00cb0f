"""The headers that every answer has, unless it says otherwise: for API answers, which nothing should show.

Pages have their own (`service/web/pages.py`): they load a style sheet and a script.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # gunicorn's master reads this file, before gevent has patched anything
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HSTS_SECONDS = 365 * 24 * 3600

DEFAULTS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that don't know frame-ancestors
}


def defaults(public_url: str | None) -> Mapping[str, str]:
    """Those of an installation: one that users reach by TLS asks browsers to come by TLS only (RFC 6797).

    For this host alone: others below the same name are not ours to decide about.
    """
    if (public_url or "").startswith("https://"):
        return {**DEFAULTS, "Strict-Transport-Security": f"max-age={HSTS_SECONDS}"}
    return DEFAULTS


class Completed:
    """An application whose answers have those that they lack.

    Added where they are a plain list already: to put them into a response one by one took longer than to
    load a challenge.
    """

    def __init__(self, application: "WSGIApplication", defaults: Mapping[str, str]) -> None:
        self._application = application
        self._defaults = [(name.lower(), (name, value)) for name, value in defaults.items()]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""

        def begin(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            there = {name.lower() for name, _ in headers}
            lacking = [field for name, field in self._defaults if name not in there]
            return start_response(status, headers + lacking, exc_info)

        return self._application(environ, begin)
