"""`/enroll`: a user sets up an authenticator app, and saves the backup codes that come with the first."""

from collections.abc import Sequence

from flask import Response, request

from service.domain.errors import EnrollmentEnded, InvalidInput, LinkExpired, NotFound
from service.domain.links import LinkKind
from service.domain.return_urls import with_result
from service.domain.totp import provisioning_uri
from service.domain.user import TotpFactor, User
from service.flows.enroll import factor_id_of
from service.flows.links import Opened
from service.qr import qr_svg
from service.web import trouble
from service.web.pages import goto, locale_of, page, services
from service.web.visits import address, end, pages_of, shown, visited

api = pages_of(LinkKind.ENROLL, "enroll")
trouble.register(api)


@visited(api, LinkKind.ENROLL, "GET")
def enroll(opened: Opened) -> Response:
    """The code to scan and the field for the app's answer; afterwards, that it is done."""
    link = opened.link
    if _factor(opened)[1] is not None:  # though its record may still be there, after a crash
        return _done(opened)
    try:
        enrollment = services().enroll.pending(link.application, link.target)
    except NotFound:
        raise LinkExpired("This enrolment has expired.") from None
    account = enrollment.label or enrollment.user_id
    uri = provisioning_uri(enrollment.secret, account=account, issuer=services().core.settings.issuer)
    secret = enrollment.secret
    return _page(
        opened,
        "enroll.html",
        {
            "account": account,
            "uri": uri,
            "qr": qr_svg(uri, inline=True),
            "secret": secret,
            "secret_groups": [secret[at : at + 4] for at in range(0, len(secret), 4)],
            "minutes": max(1, (enrollment.expires_at - services().core.clock()) // 60_000),
            "said": request.args.get("said"),
            "clock_minutes": _whole_minutes(request.args.get("by", "")),
        },
    )


@visited(api, LinkKind.ENROLL, "POST", "confirm")
def confirm_app(opened: Opened) -> Response:
    """Take the app's code; show what came of it, since backup codes are shown once."""
    link, code = opened.link, request.form.get("code", "")[:64]
    try:
        _, backup_codes = services().enroll.confirm(
            link.application, link.target, code, locale=locale_of(link.locale)
        )
    except InvalidInput as error:
        if any(fault.field != "code" for fault in error.faults):
            return goto(address(opened, "full"))
        offset = services().enroll.clock_offset(link.application, link.target, code)
        if offset is None or abs(offset) < 60:
            return goto(address(opened, "wrong"))
        return goto(f"{address(opened, 'clock')}&by={round(offset / 60)}")
    except (NotFound, EnrollmentEnded):
        return goto(address(opened))  # sent twice
    return _done(opened, backup_codes)


@visited(api, LinkKind.ENROLL, "POST", "backup-codes")
def replace_backup_codes(opened: Opened) -> Response:
    """Show others, when those that came with this app were not saved."""
    user, factor = _outcome(opened)
    if user.backup_codes_at != factor.created_at:
        return goto(address(opened))
    codes = services().enroll.new_backup_codes(opened.link.application, opened.link.user_id)
    return _done(opened, codes)


@visited(api, LinkKind.ENROLL, "POST", "finish")
def finish_enrollment(opened: Opened) -> Response:
    """Back to the application, or to the end."""
    link = opened.link
    if link.return_url is None:
        return goto(address(opened))
    status = "pending" if _factor(opened)[1] is None else "confirmed"
    target = with_result(link.return_url, {"enrollment_id": link.target, "status": status})
    return end(opened, target)


def _done(opened: Opened, backup_codes: Sequence[str] | None = None) -> Response:
    user, factor = _outcome(opened)
    return _page(
        opened,
        "enrolled.html",
        {
            "backup_codes": backup_codes,
            "may_replace": user.backup_codes_at == factor.created_at,
            "returns": opened.link.return_url is not None,
        },
    )


def _outcome(opened: Opened) -> tuple[User, TotpFactor]:
    """The user with the app that was enrolled here. Raises `LinkExpired` when none was."""
    user, factor = _factor(opened)
    if factor is None:
        raise LinkExpired("This enrolment has expired.")
    return user, factor


def _factor(opened: Opened) -> tuple[User, TotpFactor | None]:
    """The user, and the app if it was enrolled."""
    link = opened.link
    user = services().enroll.user(link.application, link.user_id)
    return user, next((f for f in user.totp if f.id == factor_id_of(link.target)), None)


def _page(opened: Opened, template: str, values: dict[str, object]) -> Response:
    return page(template, locale_of(opened.link.locale), {**shown(opened), **values})


def _whole_minutes(text: str) -> int:
    digits = text.removeprefix("-")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else 0
