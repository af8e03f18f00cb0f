"""`/console/users`: one user's factors and challenges. The id is sent by a form, so that no URL has it."""

from flask import Response, request

from service.domain.challenge import Subject
from service.domain.channels import TRAITS, Channel
from service.domain.errors import NotFound
from service.domain.text import SENTENCE_LENGTH, is_application, is_sentence, is_user_id
from service.flows.operators import Operator
from service.web.console.frame import console_pages, filled, for_operators, show, who
from service.web.pages import services

api = console_pages("users")


@for_operators(api, "GET", "/users")
def users(operator: Operator) -> Response:
    """The form."""
    return _page(operator)


@for_operators(api, "POST", "/users")
def look_up(operator: Operator) -> Response:
    """What somebody has."""
    trouble = _fault()
    return _page(operator, trouble) if trouble else _found(operator)


@for_operators(api, "POST", "/users/reset", may_change=True, restored="/users")
def reset(operator: Operator) -> Response:
    """Remove apps and backup codes, once that is confirmed; the user is told by e-mail."""
    if trouble := _fault():
        return _page(operator, trouble)
    reason = filled("reason")
    if request.form.get("confirmed") != "yes" or reason is None or not is_sentence(reason):
        return _found(operator, f"Say why, in up to {SENTENCE_LENGTH} characters, and confirm it.", 422)
    application, user_id = _asked()
    try:
        before = services().enroll.reset(application, user_id)
    except NotFound:
        return _found(operator, "There was nothing to remove.", 409)
    had = {"apps": len(before.totp), "backup_codes": len(before.backup_codes)}
    target = f"{application}/{before.key}"  # the trail has a keyed hash for the user
    services().audit.note(who(operator), "user.reset", target, reason=reason, before=had)
    return _found(operator, done=f"Removed {had['apps']} apps and {had['backup_codes']} backup codes.")


def _asked() -> tuple[str, str]:
    return request.form.get("application", "").strip() or "default", request.form.get("user_id", "").strip()


def _fault() -> str | None:
    application, user_id = _asked()
    if not is_application(application):
        return "application: expected 1 to 64 letters, digits, dots or hyphens"
    if not is_user_id(user_id):
        return "user id: expected 1 to 256 printable characters"
    return None


def _found(
    operator: Operator, trouble: str | None = None, status: int = 200, *, done: str | None = None
) -> Response:
    found = services().look_up(*_asked())
    if not found.known:
        return _page(operator, "Nothing is known of this user here.", 404)
    return show(
        "user.html",
        operator,
        {
            "user": found.user,
            "challenges": found.challenges,
            "sent_to": _sent_to,
            "form": request.form,
            "trouble": trouble,
            "done": done,
        },
        status=status,
    )


def _sent_to(channel: Channel, subject: Subject) -> str:
    """Where a challenge's messages go, masked; nothing for a channel that has none."""
    kind = TRAITS[channel].contact
    contact = subject.phone if kind == "phone" else subject.email if kind == "email" else None
    return f" to {contact.masked()}" if contact else ""


def _page(operator: Operator, trouble: str | None = None, status: int | None = None) -> Response:
    return show(
        "users.html",
        operator,
        {"form": request.form, "trouble": trouble},
        status=status or (422 if trouble else 200),
    )
