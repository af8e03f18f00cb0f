"""`/console/incidents`: recorded outages, and what to say of them."""

from typing import cast, get_args

from flask import Response, request

from service.domain.alerts import runbook
from service.domain.errors import InvalidInput
from service.domain.incidents import Progress
from service.domain.text import SENTENCE_LENGTH, is_sentence
from service.flows.operators import Operator
from service.web.console.frame import PATH, console_pages, filled, for_operators, show, who
from service.web.pages import goto, services

SHOWN = 100

api = console_pages("incidents")


@for_operators(api, "GET", "/incidents")
def incidents(operator: Operator) -> Response:
    """All of them, newest first."""
    return show("incidents.html", operator, {"incidents": services().incidents.all()[:SHOWN]})


@for_operators(api, "GET", "/incidents/<incident_id>")
def incident(operator: Operator, incident_id: str) -> Response:
    """One with its timeline."""
    return _page(operator, incident_id)


@for_operators(api, "POST", "/incidents/<incident_id>", may_change=True)
def update(operator: Operator, incident_id: str) -> Response:
    """Say something."""
    text, status = filled("text"), request.form.get("status") or None
    if text is None or not is_sentence(text):
        return _page(operator, incident_id, f"text: expected 1 to {SENTENCE_LENGTH} characters")
    if status is not None and status not in get_args(Progress):
        return _page(operator, incident_id, "status: choose one")
    public = request.form.get("public") == "yes"
    try:
        services().incidents.update(
            incident_id, text, who(operator), public=public, status=cast("Progress | None", status)
        )
    except InvalidInput as error:
        return _page(operator, incident_id, error.detail)
    return goto(f"{PATH}/incidents/{incident_id}")


def _page(operator: Operator, incident_id: str, trouble: str | None = None) -> Response:
    found = services().incidents.get(incident_id)
    base = services().core.settings.runbook_url
    return show(
        "incident.html",
        operator,
        {
            "incident": found,
            "runbook": runbook(base, found.provider, found.affected, found.impact),
            "progress": get_args(Progress),
            "form": request.form,
            "trouble": trouble,
        },
        status=422 if trouble else 200,
    )
