"""Signing in to the console and out of it."""

from flask import Response, request

from service.domain.errors import ScopeMissing, TooManyTries, Unauthenticated
from service.edge import client_address, status_of
from service.flows.operators import LONGEST, Operator
from service.web.console.frame import COOKIE, PATH, console_pages, for_operators, show
from service.web.forms import require_own_form
from service.web.pages import goto, services

LONGEST_KEY = 512  # characters

api = console_pages("sign_in")


@api.get(f"{PATH}/sign-in")
def sign_in_form() -> Response:
    """The form."""
    over = "You were signed out meanwhile: nothing was changed." if "over" in request.args else None
    return show("sign-in.html", None, {"trouble": over})


@api.post(f"{PATH}/sign-in")
def sign_in() -> Response:
    """Exchange an API key for a session."""
    require_own_form(None)
    presented = request.form.get("key", "").strip()
    try:
        origin, former = client_address(services().core.settings), request.cookies.get(COOKIE)
        operator = services().sign_in(presented[:LONGEST_KEY], origin, former)
    except (Unauthenticated, ScopeMissing, TooManyTries) as error:
        return show("sign-in.html", None, {"trouble": error.detail}, status=status_of(error))
    response = goto(PATH)
    response.set_cookie(
        COOKIE,
        operator.cookie,
        max_age=LONGEST // 1000,
        path=PATH,
        httponly=True,
        secure=(services().core.settings.public_url or "").startswith("https://"),
        samesite="Lax",  # Strict would not come along with a link from an alert
    )
    return response


@for_operators(api, "POST", "/sign-out", restored="")
def sign_out(operator: Operator) -> Response:
    """End the session."""
    services().sign_in.leave(operator)
    response = goto(f"{PATH}/sign-in")
    response.delete_cookie(COOKIE, path=PATH)
    return response
