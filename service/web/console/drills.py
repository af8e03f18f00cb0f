"""`/console/drills`: rehearse an outage, and read what came of it."""

import re
from typing import cast, get_args

from flask import Response, request

from service.domain.drills import Kind, report
from service.domain.errors import DrillRefused, FieldFault, InvalidInput
from service.domain.text import SENTENCE_LENGTH, is_calling_code, is_sentence, is_user_id
from service.flows.operators import Operator
from service.web.console.frame import PATH, console_pages, filled, for_operators, show, who
from service.web.pages import goto, services

KINDS = {
    "outage": "outage: nothing is taken",
    "brown_out": "brown-out: half of the sends hang",
    "silent": "silent: taken, and never arriving",
}
SHARES = {"0.01": "1 %", "0.1": "10 %", "0.5": "half", "1": "all"}
DURATIONS = {"60": "1 minute", "300": "5 minutes", "900": "15 minutes", "3600": "1 hour"}
DEFAULTS = {"kind": "outage", "share": "0.1", "duration": "300", "max_stuck": "20"}
NAMED = 100  # users told one by one

api = console_pages("drills")


@for_operators(api, "GET", "/drills")
def drills(operator: Operator) -> Response:
    """Those there were, and the form."""
    return _page(operator)


@for_operators(api, "POST", "/drills", may_change=True)
def start(operator: Operator) -> Response:
    """Say what it would do; once that is confirmed, do it."""
    form = request.form
    try:
        users, reason, country, most = _asked()
    except InvalidInput as error:
        return _page(operator, error.detail, 422)
    if form.get("confirmed") != "yes":
        readiness, _ = services().readiness()
        shown = {
            "form": form,
            "users": users,
            "country": country,
            "readiness": readiness,
            "kinds": KINDS,
            "shares": SHARES,
            "durations": DURATIONS,
        }
        return show("drill-confirm.html", operator, shown)
    try:
        drill = services().drills.start(
            cast("Kind", form["kind"]),
            share=float(form["share"]),
            user_ids=users,
            country=country,
            application=None,
            duration=int(form["duration"]),
            spare=True,
            max_stuck=most,
            reason=reason,
            who=who(operator),
            default_application=operator.key.application,
        )
    except DrillRefused as error:
        return _page(operator, error.detail, 409)
    return goto(f"{PATH}/drills/{drill.id}")


@for_operators(api, "GET", "/drills/<drill_id>")
def drill(operator: Operator, drill_id: str) -> Response:
    """One with its report."""
    found, tally = services().drills.get(drill_id)
    without = services().drills.without(tally, NAMED)
    return show("drill.html", operator, {"drill": found, "report": report(tally), "without": without})


@for_operators(api, "POST", "/drills/<drill_id>/stop", may_change=True, restored="/drills")
def stop(operator: Operator, drill_id: str) -> Response:
    """End it before its time."""
    services().drills.stop(drill_id, who(operator), "by the console")
    return goto(f"{PATH}/drills/{drill_id}")


def _page(operator: Operator, trouble: str | None = None, status: int = 200) -> Response:
    return show(
        "drills.html",
        operator,
        {
            "drills": [(drill, report(tally)) for drill, tally in services().drills.all()],
            "form": {**DEFAULTS, **request.form.to_dict()},
            "kinds": KINDS,
            "shares": SHARES,
            "durations": DURATIONS,
            "trouble": trouble,
        },
        status=status,
    )


def _asked() -> tuple[list[str], str, str | None, int]:
    form, reason, country = request.form, filled("reason"), filled("country")
    for name, choices in (("kind", get_args(Kind)), ("share", SHARES), ("duration", DURATIONS)):
        if form.get(name) not in choices:
            raise InvalidInput(FieldFault(name, "choose one"))
    users = [line.strip() for line in form.get("users", "").splitlines() if line.strip()]
    if len(users) > 1000 or not all(map(is_user_id, users)):
        raise InvalidInput(FieldFault("users", "expected at most 1000 user ids, one on a line"))
    if country is not None and not is_calling_code(country):
        raise InvalidInput(FieldFault("country", "expected a calling code such as +91"))
    if reason is None or not is_sentence(reason):
        raise InvalidInput(FieldFault("reason", f"say why, in 1 to {SENTENCE_LENGTH} characters"))
    most = form.get("max_stuck", "")
    if not re.fullmatch(r"[0-9]{1,5}", most):
        raise InvalidInput(FieldFault("max_stuck", "expected a number up to 99999"))
    return users, reason, country, int(most)
