"""The WSGI application."""

import re
import secrets
import time
from functools import cache
from typing import TYPE_CHECKING

from flask import Flask, Request, Response, g, request
from flask.sessions import NullSession, SessionInterface

from service.app import Services
from service.http import (
    challenges,
    enrollments,
    headers,
    hooks,
    ops,
    problems,
    proofs,
    public,
    statuspage,
    twilio,
    users,
    webhooks,
)
from service.telemetry import logs, metrics
from service.web import account, assets, challenge, console, enroll, status
from service.web.docs import pages as docs

if TYPE_CHECKING:
    from service.web.docs.book import Book

MAX_BODY = 64 * 1024  # bytes
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

_API = (
    challenges.api,
    proofs.api,
    enrollments.api,
    users.api,
    ops.api,
    webhooks.api,
    hooks.api,
    public.api,
    statuspage.api,
    *twilio.PAGES,
)
_PAGES = (enroll.api, challenge.api, account.api, status.api, assets.api, docs.api, *console.PAGES)

_log = logs.get("http")


def create_app(services: Services) -> Flask:
    """An application on these services."""
    app = Flask("service.http", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.url_map.merge_slashes = False  # a user id may hold two
    app.url_map.strict_slashes = False
    app.url_map.converters["anything"] = twilio.Anything
    app.session_interface = _NoSessions()
    app.extensions["otp"] = services
    problems.register(app)
    app.extensions["otp-assets"] = assets.Assets.load(services.core.settings)
    app.extensions["otp-docs"] = cache(_docs)
    for blueprint in (*_API, *_PAGES):
        app.register_blueprint(blueprint)
    app.before_request(_begin)
    app.after_request(_end)
    defaults = headers.defaults(services.core.settings.public_url)
    app.wsgi_app = headers.Completed(app.wsgi_app, defaults)  # type: ignore[method-assign]
    return app


def _docs() -> "Book":
    """What `/docs` shows. Few ask for it, and it would take a tenth of the time in which a process starts."""
    from service.http.openapi import describe  # noqa: PLC0415
    from service.web.docs.book import Book  # noqa: PLC0415

    return Book(describe)


class _NoSessions(SessionInterface):
    """Nobody has a session of Flask's; it would make an empty one for each request."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """The one that all have."""
        return self._none


def _begin() -> None:
    given = request.environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    logs.begin_request(g.request_id)
    g.started = time.monotonic()


def _end(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    # The route's template, never the path: paths hold user ids.
    rule = request.url_rule
    route, method = (rule.rule, request.method) if rule is not None else ("-", "-")
    seconds = time.monotonic() - g.started
    count, duration = metrics.answered(route, method, response.status_code)
    count.inc()
    duration.observe(seconds)
    if response.status_code >= 500:
        _log.warning(
            "request",
            route=route,
            method=request.method,
            status=response.status_code,
            seconds=round(seconds, 3),
            key=g.get("key_id"),
        )
    return response
