"""`/account`: a user manages factors."""

from collections.abc import Sequence

from flask import Response, request

from service.domain.errors import NotFound
from service.domain.links import LinkKind
from service.domain.notices import N_
from service.domain.text import is_printable
from service.domain.user import TotpFactor, User
from service.flows.links import Opened
from service.web import trouble
from service.web.pages import goto, locale_of, page, services
from service.web.visits import address, begin, end, pages_of, shown, visited

FEW = 3  # backup codes left at which to make new ones
NAME_LENGTH = 64  # characters, as in the API

api = pages_of(LinkKind.ACCOUNT, "account")
trouble.register(api)

_SAID = {
    "renamed": N_("The new name is saved."),
    "removed": N_("The app was removed. Codes from it don't work any more."),
    "name": N_("A name has 1 to 64 characters."),
    "gone": N_("That app was removed before."),
}
_GOOD = {"renamed", "removed"}


@visited(api, LinkKind.ACCOUNT, "GET")
def account(opened: Opened) -> Response:
    """What the user has."""
    return _account(opened)


@visited(api, LinkKind.ACCOUNT, "POST", "rename")
def rename_factor(opened: Opened) -> Response:
    """Call an app by another name."""
    name = " ".join(request.form.get("name", "").split())
    if not 1 <= len(name) <= NAME_LENGTH or not is_printable(name):
        return goto(address(opened, "name"))
    link = opened.link
    try:
        services().enroll.rename(link.application, link.user_id, request.form.get("factor", ""), name)
    except NotFound:
        return goto(address(opened, "gone"))
    return goto(address(opened, "renamed"))


@visited(api, LinkKind.ACCOUNT, "POST", "remove")
def remove_app(opened: Opened) -> Response:
    """Remove an app, once that is confirmed; without its last one the user hears what that means."""
    link, user = opened.link, _user(opened)
    factor = next((f for f in user.totp if f.id == request.form.get("factor")), None)
    if factor is None:
        return goto(address(opened, "gone"))
    if request.form.get("confirmed") != "yes":
        return _page(opened, "remove.html", {"user": user, "factor": factor, "last": len(user.totp) == 1})
    try:
        services().enroll.remove(link.application, link.user_id, factor.id)
    except NotFound:
        return goto(address(opened, "gone"))
    return goto(address(opened, "removed"))


@visited(api, LinkKind.ACCOUNT, "POST", "backup-codes")
def new_backup_codes(opened: Opened) -> Response:
    """New backup codes, once it is confirmed that the old ones become void; shown in the answer only."""
    user = _user(opened)
    stamp = str(user.backup_codes_at)
    if user.backup_codes and request.form.get("confirmed") != stamp:
        if "confirmed" in request.form:
            return goto(address(opened))  # sent again: the codes it was for are there, and stay
        return _page(opened, "renew.html", {"stamp": stamp})
    codes = services().enroll.new_backup_codes(opened.link.application, opened.link.user_id)
    return _account(opened, codes)


@visited(api, LinkKind.ACCOUNT, "POST", "add")
def add_app(opened: Opened) -> Response:
    """Set up another app, and come back."""
    link = opened.link
    enrollment = services().enroll.begin(link.application, link.user_id, locale=link.locale)
    path, _ = services().links.issue(
        LinkKind.ENROLL,
        link.application,
        link.user_id,
        target=enrollment.id,
        ends_at=enrollment.expires_at,
        locale=link.locale,
        within=link,
    )
    return begin(services().links.open(LinkKind.ENROLL, path.rpartition("/")[2], None))


@visited(api, LinkKind.ACCOUNT, "POST", "saved")
def saved(opened: Opened) -> Response:
    """Away from the page that shows backup codes."""
    return goto(address(opened))


@visited(api, LinkKind.ACCOUNT, "POST", "leave")
def leave_account(opened: Opened) -> Response:
    """Back to the application."""
    if opened.link.return_url is None:
        return goto(address(opened))
    return end(opened, opened.link.return_url)


def _user(opened: Opened) -> User:
    return services().enroll.user(opened.link.application, opened.link.user_id)


def _account(opened: Opened, backup_codes: Sequence[str] | None = None) -> Response:
    user, said = _user(opened), request.args.get("said", "")
    newest_first: list[TotpFactor] = sorted(user.totp, key=lambda factor: factor.created_at, reverse=True)
    return _page(
        opened,
        "account.html",
        {
            "user": user,
            "factors": newest_first,
            "backup_codes": backup_codes,
            "left": len(user.backup_codes),
            "few": FEW,
            "said": _SAID.get(said),
            "good": said in _GOOD,
            "returns": opened.link.return_url is not None,
        },
    )


def _page(opened: Opened, template: str, values: dict[str, object]) -> Response:
    return page(template, locale_of(opened.link.locale), {**shown(opened), **values})
