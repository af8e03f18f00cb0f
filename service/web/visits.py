"""Visits: a link is opened once, and a cookie stands for it from then on."""

import re
from collections.abc import Callable
from functools import wraps

from flask import Blueprint, Response, request

from service.domain.errors import LinkInvalid
from service.domain.links import LinkKind
from service.flows.links import Opened, page_of
from service.web.forms import require_own_form
from service.web.pages import goto, locale_of, page, services

# They fetch addresses that people send each other, and must not use a link up.
_PREVIEWERS = re.compile(
    r"(?<!cu)bot\b|crawler|spider|preview|facebookexternalhit|whatsapp|slack|telegram", re.IGNORECASE
)

Handler = Callable[[Opened], Response]


def pages_of(kind: LinkKind, name: str) -> Blueprint:
    """The blueprint of a kind's pages, with the address that its links have."""
    blueprint = Blueprint(name, __name__)

    @blueprint.get(f"/{kind}/<token>")
    def open_link(token: str) -> Response:
        ahead = request.headers.get("Sec-Purpose", request.headers.get("Purpose", ""))
        if request.method == "HEAD" or "prefetch" in ahead or _PREVIEWERS.search(request.user_agent.string):
            return page("neutral.html", locale_of(None), {"here": request.path})
        return _open(token)

    @blueprint.post(f"/{kind}/<token>")
    def go_on(token: str) -> Response:
        """By the neutral page's button: a person, whatever the browser calls itself."""
        return _open(token)

    def _open(token: str) -> Response:
        return begin(services().links.open(kind, token, _cookie(token.partition(".")[0])))

    return blueprint


def begin(opened: Opened) -> Response:
    """Go to the page, with the cookie that opens it."""
    link = opened.link
    response = goto(address(opened))
    seconds = max(1, (link.until - services().core.clock()) // 1000)
    response.set_cookie(
        _cookie_name(link.id),
        opened.cookie,
        max_age=seconds,
        path=f"/{link.kind}",
        httponly=True,
        secure=(services().core.settings.public_url or "").startswith("https://"),
        samesite="Lax",  # Strict would not come along with a redirect from the application's site
    )
    return response


def address(opened: Opened, said: str | None = None) -> str:
    """The page of a visit. `said`: the word for what the user is to be told there."""
    return page_of(opened.link) + (f"?said={said}" if said else "")


def visited(
    blueprint: Blueprint, kind: LinkKind, method: str, action: str = ""
) -> Callable[[Handler], Handler]:
    """Declare a page of a visit, or what a form of it does."""

    def declare(handler: Handler) -> Handler:
        @wraps(handler)
        def view(link_id: str) -> Response:
            opened = services().links.visit(kind, link_id, _cookie(link_id))
            if method == "POST":
                require_own_form(services().links.form_token(opened))
            return handler(opened)

        rule = f"/{kind}/s/<link_id>" + (f"/{action}" if action else "")
        blueprint.add_url_rule(rule, handler.__name__, view, methods=[method])
        if method == "POST":
            # A restored tab asks for the address that a form was sent to.
            blueprint.add_url_rule(rule, f"{handler.__name__}_again", back_to_page, methods=["GET"])
        return handler

    def back_to_page(link_id: str) -> Response:
        return goto(f"/{kind}/s/{link_id}")

    return declare


def leave(opened: Opened, target: str) -> Response:
    """The way back to the application.

    By a page that goes there, not by a redirect: browsers hold a form's whole chain of redirects against its
    page's policy, and where the application sends its users from there is not for us to list.
    """
    if target.startswith("/"):
        return goto(target)
    return page("leaving.html", locale_of(opened.link.locale), {"target": target})


def end(opened: Opened, target: str) -> Response:
    """`leave`, for good: the visit is over, whoever sits at this browser next."""
    services().links.close(opened.link)
    response = leave(opened, target)
    response.delete_cookie(_cookie_name(opened.link.id), path=f"/{opened.link.kind}")
    return response


def shown(opened: Opened) -> dict[str, object]:
    """What the templates of every visit need."""
    return {"here": address(opened), "form_token": services().links.form_token(opened)}


def _cookie(link_id: str) -> str | None:
    if not re.fullmatch(r"[\w-]{1,64}", link_id):
        raise LinkInvalid("This link was not made here.")
    return request.cookies.get(_cookie_name(link_id))


def _cookie_name(link_id: str) -> str:
    return f"otp_{link_id}"
