"""Whether a form came from a page of ours."""

from flask import request

from service.domain.codes import same_code
from service.domain.errors import FormForged
from service.web.pages import services

TOKEN = "form_token"  # noqa: S105 - the field's name


def require_own_form(token: str | None) -> None:
    """Raise `FormForged` for a form that another site sent.

    SameSite keeps other sites' forms without the cookie; this does where a sibling host is hostile.

    Args:
        token: what the page's forms carry; `None` where there is no session yet to tie one to.
    """
    foreign = request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none")
    source = request.headers.get("Origin", "null")  # null: what browsers say under `no-referrer`
    public = services().core.settings.public_url
    origins = {"null", request.host_url.rstrip("/"), f"https://{request.host}", public}
    if foreign or source not in origins:
        raise FormForged("This form was not sent from its page.")
    if token is not None and not same_code(request.form.get(TOKEN, ""), token):
        raise FormForged("This form was not sent from its page.")
