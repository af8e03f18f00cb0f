"""`otp-fallback users`."""

from service.cli.output import as_json, core, fail, operator, require_application, require_sentence, table
from service.domain.errors import NotFound, StateConflict
from service.domain.text import is_user_id
from service.http.views import factors_view, failures_view


def show(user_id: str, application: str, json_output: bool) -> None:
    """Show one."""
    require_application(application)
    _require_user_id(user_id)
    with core() as c:
        user = c.enroll.user(application, user_id)
        failures = c.failures.of(user.key)
    if user.version == 0:
        fail(f"no such user in application {application}", 1)
    view = factors_view(user) | {"failures": failures_view(failures)}
    if json_output:
        as_json(view)
        return
    columns = ["id", "device_name", "label", "created_at", "last_used_at"]
    table(columns, [[str(factor[column] or "") for column in columns] for factor in view["factors"]])
    print(f"backup codes left: {view['backup_codes']['remaining']}")
    print(f"phone: {view['contacts']['phone'] or '-'}, e-mail: {view['contacts']['email'] or '-'}")
    if failures.number:
        held = "locked" if failures.locked else f"held until {view['failures']['held_until'] or '-'}"
        print(f"wrong codes in a row: {failures.number}, {held}")


def unlock(user_id: str, application: str, reason: str, json_output: bool) -> None:
    """Let one begin anew."""
    require_application(application)
    _require_user_id(user_id)
    require_sentence("--reason", reason)
    with core() as c:
        try:
            before = c.unlock(application, user_id, reason, operator())
        except NotFound:
            fail("this user has no wrong codes in a row", 1)
    if json_output:
        as_json({"failures": before.number})
    else:
        print(f"Forgot {before.number} wrong codes in a row.")


def reset(user_id: str, application: str, reason: str, json_output: bool) -> None:
    """Remove apps and backup codes."""
    require_application(application)
    _require_user_id(user_id)
    require_sentence("--reason", reason)
    with core() as c:
        try:
            before = c.enroll.reset(application, user_id)
        except NotFound:
            fail("this user has no app and no backup codes", 1)
        except StateConflict as error:
            fail(error.detail, 1)
        had = {"apps": len(before.totp), "backup_codes": len(before.backup_codes)}
        # The trail is kept for good and read by many: a keyed hash stands for the user.
        c.audit.note(operator(), "user.reset", f"{application}/{before.key}", reason=reason, before=had)
    if json_output:
        as_json({"removed": had})
    else:
        print(f"Removed {had['apps']} apps and {had['backup_codes']} backup codes.")


def _require_user_id(user_id: str) -> None:
    if not is_user_id(user_id):
        fail("USER: expected 1 to 256 printable characters")
