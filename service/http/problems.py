"""Errors as HTTP: RFC 9457 problem details, and the one mapping from the domain's codes to statuses."""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from flask import Flask, Response
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from service.domain.errors import FieldFault, InvalidInput, MalformedBody, OtpError
from service.edge import status_of
from service.http import rate_limits
from service.telemetry import logs

CONTENT_TYPE = "application/problem+json"

MOST_FAULTS = 20  # told in one answer, which would else be several times as large as the request
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

_log = logs.get("http")


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    retry_after: int | None = None,
    extra: Mapping[str, object] | None = None,
) -> Response:
    """A problem document."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": logs.request_id(),
        **(extra or {}),
    }
    response = Response(json.dumps(body), status, content_type=CONTENT_TYPE)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="otp-fallback"'
    return response


def domain_problem(error: OtpError) -> Response:
    """The problem document of a domain error."""
    extra = dict(error.extra)
    if isinstance(error, InvalidInput):
        extra["errors"] = [{"field": f.field, "message": f.message} for f in error.faults]
    status = status_of(error)
    if status >= 500:
        _log.error("request_failed", code=error.code)
    answer = problem(status, error.code, error.detail, retry_after=error.retry_after, extra=extra)
    answer.headers.update(rate_limits.fields(error.standings))
    return answer


def as_domain_error(error: ValidationError) -> OtpError:
    """What pydantic found, in our words: which field, what was expected."""
    faults = []
    for fault in error.errors(include_url=False, include_input=False)[:MOST_FAULTS]:
        if fault["type"] == "json_invalid":
            return MalformedBody("The body is not valid JSON in UTF-8.")
        field = ".".join(map(_part, fault["loc"])) or "body"
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            message = "unknown field"
        faults.append(FieldFault(field, message))
    return InvalidInput(*faults)


def _part(part: int | str) -> str:
    """A part of a field's path; names that a caller made up are told only if they look like names."""
    return str(part) if isinstance(part, int) or _NAME.fullmatch(part) else "(unnamed)"


def register(app: Flask) -> None:
    """Answer every error of an application as a problem document."""

    @app.errorhandler(OtpError)
    def _domain(error: OtpError) -> Response:
        return domain_problem(error)

    @app.errorhandler(RequestEntityTooLarge)
    def _too_large(_error: RequestEntityTooLarge) -> Response:
        limit = app.config["MAX_CONTENT_LENGTH"]
        return problem(413, "body_too_large", f"The body is larger than {limit} bytes.")

    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        code = HTTPStatus(status).name.lower()
        answer = problem(status, code, HTTPStatus(status).description or HTTPStatus(status).phrase)
        for name, value in error.get_headers():
            if name == "Allow":
                answer.headers[name] = value
        return answer

    @app.errorhandler(Exception)
    def _unexpected(error: Exception) -> Response:
        _log.error("unexpected_error", exc_info=error)
        return problem(500, "internal_error", "Something went wrong here. It was logged.")
