"""What is done around every request: it gets an id, its answer the headers that it lacks, and it is counted.

As WSGI, where an answer's headers are a plain list: to put them into a response one by one took longer than
to load a challenge, and Flask's hooks took as long again.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from flask import Request, g

from service.telemetry import logs, metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_log = logs.get("http")


class EveryRequest:
    """An application with that around it.

    Args:
        application: Flask's own.
        defaults: headers of answers that don't say otherwise.
    """

    def __init__(self, application: "WSGIApplication", defaults: Mapping[str, str]) -> None:
        self._application = application
        self._defaults = [(name.lower(), (name, value)) for name, value in defaults.items()]
        self._lacking: dict[tuple[str, ...], list[tuple[str, str]]] = {}  # by the names that there are

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request."""
        started = time.monotonic()
        given = environ.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
        logs.begin_request(request_id)

        def begin(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            _count(environ.get("werkzeug.request"), int(status[:3]), time.monotonic() - started)
            added = [("X-Request-Id", request_id), *self._defaults_for(headers)]
            return start_response(status, headers + added, exc_info)

        return self._application(environ, begin)

    def _defaults_for(self, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        names = tuple([name for name, _ in headers])
        lacking = self._lacking.get(names)
        if lacking is None:
            there = {name.lower() for name in names}
            lacking = [field for name, field in self._defaults if name not in there]
            self._lacking[names] = lacking  # few, since nobody else makes up names
        return lacking


def _count(request: Request | None, status: int, seconds: float) -> None:
    # The route's template, never the path: paths hold user ids.
    rule = request.url_rule if request is not None else None
    route, method = (rule.rule, request.method) if request is not None and rule is not None else ("-", "-")
    count, duration = metrics.answered(route, method, status)
    count.inc()
    duration.observe(seconds)
    if status >= 500:
        _log.warning(
            "request",
            route=route,
            method=request.method if request is not None else "-",
            status=status,
            seconds=round(seconds, 3),
            key=g.get("key_id") if g else None,
        )
