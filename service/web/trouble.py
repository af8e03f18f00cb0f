"""What goes wrong on a page, said to a person."""

import re

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from service.domain.errors import OtpError
from service.domain.notices import N_
from service.edge import status_of
from service.telemetry import logs
from service.web.pages import locale_of, page

# Code of an error -> heading, sentence.
_PAGES = {
    "link_invalid": (
        N_("This link does not work"),
        N_("Perhaps it is not complete, or it was opened in another browser. Ask for a new one."),
    ),
    "link_used": (
        N_("This link was opened before"),
        N_("It works once, in one browser. Ask for a new one where you got it."),
    ),
    "link_expired": (
        N_("This link has expired"),
        N_("It is valid for a short time only. Ask for a new one where you got it."),
    ),
    "form_forged": (N_("That did not work"), N_("Go back to the page and try again.")),
    "store_unavailable": (
        N_("Not available right now"),
        N_("Nothing was changed. Please try again in a moment."),
    ),
}
_OTHER = (N_("That did not work"), N_("Something changed meanwhile. Go back to the page and try again."))
_VISIT = re.compile(r"/[a-z]+/s/[\w-]+")

_log = logs.get("web")


def register(blueprint: Blueprint) -> None:
    """Answer the errors of a blueprint's pages as pages."""

    @blueprint.errorhandler(OtpError)
    def _domain(error: OtpError) -> Response:
        status = status_of(error)
        if status >= 500:
            _log.error("page_failed", code=error.code)
        heading, sentence = _PAGES.get(error.code, _OTHER)
        answer = _page(heading, sentence, status)
        if error.retry_after is not None:
            answer.headers["Retry-After"] = str(error.retry_after)
        return answer

    @blueprint.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        status = (error.code if isinstance(error, HTTPException) else None) or 500
        if status >= 500:
            _log.error("unexpected_error", exc_info=error)
        return _page(*_OTHER, status)


def _page(heading: str, sentence: str, status: int) -> Response:
    visit = _VISIT.match(request.path)
    # From what is over there is no way back; everything else is worth another try.
    back = visit[0] if visit and status not in (404, 410) else None
    return page(
        "trouble.html",
        locale_of(None),
        {"heading": heading, "sentence": sentence, "back": back},
        status=status,
    )
