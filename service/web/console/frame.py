"""What the console's pages share: who may see them, how they are made, how they say that something failed."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import wraps

from babel.dates import format_timedelta
from flask import Blueprint, Response, g, request
from werkzeug.exceptions import HTTPException

from service.domain.audit import Who
from service.domain.errors import OtpError, ScopeMissing, Unauthenticated
from service.edge import client_address, status_of
from service.flows.operators import Operator
from service.telemetry import logs
from service.web.forms import require_own_form
from service.web.pages import goto, page, services

COOKIE = "otp_console"
PATH = "/console"
LOCALE = "en"
_STREAM = "text/event-stream"

Handler = Callable[..., Response]  # takes the operator, and what is variable in the address

_log = logs.get("console")


def console_pages(name: str) -> Blueprint:
    """A blueprint of the console's."""
    blueprint = Blueprint(f"console_{name}", __name__)
    blueprint.register_error_handler(Unauthenticated, _sign_in_first)
    blueprint.register_error_handler(OtpError, _failed)
    blueprint.register_error_handler(Exception, _broken)
    return blueprint


def for_operators(
    blueprint: Blueprint,
    method: str,
    rule: str,
    *,
    may_change: bool = False,
    looks: bool = True,
    restored: str | None = None,
) -> Callable[[Handler], Handler]:
    """Declare a page of the console, or what a form of it does.

    Args:
        blueprint: where it is registered.
        method: `GET` or `POST`.
        rule: below `/console`.
        may_change: only for those who may do more than look.
        restored: where to go when a browser asks for a form's address by GET.
        looks: a person asks; else it keeps no session from being idle.
    """

    def declare(handler: Handler) -> Handler:
        @wraps(handler)
        def view(**values: str) -> Response:
            by_itself = not looks or request.headers.get("X-Follow") is not None
            operator = services().sign_in.visit(request.cookies.get(COOKIE), looks=not by_itself)
            g.key_id = operator.key.id
            g.operator = operator
            if method == "POST":
                require_own_form(services().sign_in.form_token(operator))
            if may_change and not operator.may_operate:
                raise ScopeMissing("You may look only: your API key has the scope ops:read.")
            return handler(operator, **values)

        blueprint.add_url_rule(PATH + rule, handler.__name__, view, methods=[method])
        if restored is not None:
            # A restored tab asks for the address that a form was sent to.
            blueprint.add_url_rule(
                PATH + rule, f"{handler.__name__}_again", lambda **_: goto(PATH + restored), methods=["GET"]
            )
        return handler

    return declare


def show(
    template: str, operator: Operator | None, values: Mapping[str, object], *, status: int = 200
) -> Response:
    """A page of the console."""
    now = services().core.clock()
    return page(
        f"console/{template}",
        LOCALE,
        {
            "operator": operator,
            "form_token": services().sign_in.form_token(operator) if operator else "",
            "section": request.path.removeprefix(PATH).strip("/").split("/")[0],
            "now": now,
            "ago": lambda at: _ago(at, now),
            "utc": _utc,
            **values,
        },
        status=status,
    )


def who(operator: Operator) -> Who:
    """An operator, for the audit trail."""
    return Who(operator.key.id, client_address(services().core.settings))


def filled(name: str) -> str | None:
    """A field of the form; `None` when it is empty."""
    return " ".join(request.form.get(name, "").split()) or None


def _sign_in_first(_error: OtpError) -> Response:
    if request.headers.get("X-Follow") is not None or _STREAM in request.headers.get("Accept", ""):
        return Response(status=401)
    return goto(f"{PATH}/sign-in{'?over=1' if request.method == 'POST' else ''}")


def _failed(error: OtpError) -> Response:
    status = status_of(error)
    if status >= 500:
        _log.error("page_failed", code=error.code)
    answer = show("failed.html", g.get("operator"), {"detail": error.detail}, status=status)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _broken(error: Exception) -> Response:
    if isinstance(error, HTTPException) and (error.code or 500) < 500:
        return show("failed.html", g.get("operator"), {"detail": error.name}, status=error.code or 500)
    _log.error("unexpected_error", exc_info=error)
    detail = f"Something went wrong here. The logs say more, under {logs.request_id()}."
    return show("failed.html", g.get("operator"), {"detail": detail}, status=500)


def _ago(at: int, now: int) -> str:
    return format_timedelta(timedelta(milliseconds=at - now), add_direction=True, locale=LOCALE)


def _utc(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
