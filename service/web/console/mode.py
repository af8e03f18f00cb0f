"""`/console/mode`: the switch, with what it will do said before it is done."""

import re

from flask import Response, request

from service.domain.channels import PRIMARY_PROVIDER
from service.domain.errors import FieldFault, InvalidInput, ModeChanged
from service.domain.mode import Mode, Scope
from service.domain.readiness import Readiness, summed
from service.domain.text import SENTENCE_LENGTH, is_application, is_calling_code, is_sentence
from service.flows.operators import Operator
from service.web.console.frame import PATH, console_pages, filled, for_operators, show, who
from service.web.pages import goto, services

LASTING = {"": "until changed", "900": "15 minutes", "3600": "1 hour", "14400": "4 hours", "86400": "1 day"}
_VERSION = re.compile(r"[0-9]{1,9}")

api = console_pages("mode")


@for_operators(api, "GET", "/mode")
def mode(operator: Operator) -> Response:
    """What is in force, and the form."""
    return _page(operator)


@for_operators(api, "POST", "/mode", may_change=True)
def set_mode(operator: Operator) -> Response:
    """Say what it would do; once that is confirmed, do it."""
    try:
        wanted, scope, reason, lasting = _asked()
    except InvalidInput as error:
        return _page(operator, trouble=error.detail, status=422)
    settings = services().mode.current()[1]
    version = request.form.get("version", "")
    if request.form.get("confirmed") != "yes" or not _VERSION.fullmatch(version):
        return show(
            "mode-confirm.html",
            operator,
            {
                "wanted": wanted,
                "scope": scope,
                "for_whom": scope_text(scope),
                "reason": reason,
                "lasting": lasting,
                "lasting_text": LASTING[lasting],
                "version": services().mode.version(scope),
                "present": next((s for s in settings if s.scope == scope), None),
                "narrower": [
                    (setting.mode, scope_text(setting.scope))
                    for setting in settings
                    if setting.scope != scope and _is_within(setting.scope, scope)
                ],
                "clears": _clears(wanted, scope),
                **_effect(wanted, scope),
            },
        )
    expires_in = int(lasting) if lasting else None
    mode = None if _clears(wanted, scope) else wanted
    try:
        services().mode.put(
            mode, scope, reason=reason, who=who(operator), expires_in=expires_in, version=int(version)
        )
    except ModeChanged:
        trouble = "This was changed just now. Look at what is in force, then decide again."
        return _page(operator, trouble=trouble, status=409)
    return goto(f"{PATH}/mode?done=1")


def _clears(wanted: Mode, scope: Scope) -> bool:
    """Whether a setting is taken back: `auto` for some, so that wider settings hold for them again."""
    return wanted is Mode.AUTO and scope != Scope()


def _is_within(narrow: Scope, wide: Scope) -> bool:
    """Whether a scope is a part of another one."""
    return wide.country in (None, narrow.country) and wide.application in (None, narrow.application)


def scope_text(scope: Scope) -> str:
    """For whom a mode holds, in words."""
    parts = []
    if scope.application:
        parts.append(f"application {scope.application}")
    if scope.country:
        parts.append(f"numbers of {scope.country}")
    return ", ".join(parts) or "everybody"


def _page(operator: Operator, *, trouble: str | None = None, status: int = 200) -> Response:
    everybody, settings = services().mode.current()
    return show(
        "mode.html",
        operator,
        {
            "mode": everybody.mode if everybody else Mode.AUTO,
            "settings": [(setting, scope_text(setting.scope)) for setting in settings],
            "form": request.form,
            "lasting": LASTING,
            "trouble": trouble,
            "done": "done" in request.args,
        },
        status=status,
    )


def _asked() -> tuple[Mode, Scope, str, str]:
    country, application, reason = filled("country"), filled("application"), filled("reason")
    lasting, wanted = request.form.get("lasting", ""), request.form.get("mode", "")
    if wanted not in set(Mode):
        raise InvalidInput(FieldFault("mode", "choose one"))
    if country is not None and not is_calling_code(country):
        raise InvalidInput(FieldFault("country", "expected a calling code such as +91"))
    if application is not None and not is_application(application):
        raise InvalidInput(FieldFault("application", "expected 1 to 64 letters, digits, dots or hyphens"))
    if reason is None or not is_sentence(reason):
        raise InvalidInput(FieldFault("reason", f"say why, in 1 to {SENTENCE_LENGTH} characters"))
    if lasting not in LASTING:
        raise InvalidInput(FieldFault("lasting", "choose one"))
    return Mode(wanted), Scope(country, application), reason, lasting


def _effect(wanted: Mode, scope: Scope) -> dict[str, object]:
    """What is known of those whom it concerns."""
    everybody, applications = services().readiness()
    readiness: Readiness = everybody
    if scope.application is not None:
        readiness = applications.get(scope.application) or summed(())
    states = services().health.states()
    sends = sum(
        state.evidence.sends
        for name, state in states.items()
        if name.startswith(f"{PRIMARY_PROVIDER}/")
        and name.count("/") == 2
        and scope.country in (None, name.rpartition("/")[2])
    )
    known = {key.application for key in services().api_keys.all()} | set(applications)
    return {
        "readiness": readiness,
        "sends": sends,
        "harm": wanted is not Mode.AUTO and readiness.stuck > 0,
        "unknown": scope.application is not None and scope.application not in known,
    }
