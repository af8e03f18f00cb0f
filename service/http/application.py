"""The WSGI application."""

from functools import cache
from typing import TYPE_CHECKING

from flask import Flask, Request
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
from service.http.every_request import EveryRequest
from service.web import account, assets, challenge, console, enroll, status
from service.web.docs import pages as docs

if TYPE_CHECKING:
    from service.web.docs.book import Book

MAX_BODY = 64 * 1024  # bytes

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
    defaults = headers.defaults(services.core.settings.public_url)
    app.wsgi_app = EveryRequest(app.wsgi_app, defaults)  # type: ignore[method-assign]
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
