"""`otp-fallback incidents`."""

from typing import Any, cast, get_args

from service.cli.output import as_json, core, fail, operator, require_sentence, table
from service.domain.errors import InvalidInput, NotFound, StateConflict
from service.domain.incidents import Progress
from service.http.views import incident_view


def show_all(only_open: bool, json_output: bool) -> None:
    """List them."""
    with core() as c:
        views = [incident_view(i) for i in c.incidents.all() if not only_open or not i.resolved_at]
    if json_output:
        as_json(views)
        return
    columns = ["id", "provider", "status", "impact", "opened_at", "resolved_at"]
    rows = [[*(str(view[column] or "") for column in columns), ", ".join(view["affected"])] for view in views]
    table([*columns, "routes"], rows)


def show(incident_id: str, json_output: bool) -> None:
    """Show one."""
    with core() as c:
        try:
            view = incident_view(c.incidents.get(incident_id))
        except NotFound:
            fail(f"no such incident: {incident_id}", 1)
    if json_output:
        as_json(view)
        return
    ended = f", resolved {view['resolved_at']}" if view["resolved_at"] else ""
    print(f"{view['id']}: {view['provider']}, {view['impact']}, {view['status']}{ended}")
    columns = ["at", "kind", "route", "to", "reason", "text", "by"]
    table(columns, [[str(entry[column] or "") for column in columns] for entry in view["timeline"]])


def update(incident_id: str, text: str, public: bool, status: str | None, json_output: bool) -> None:
    """Say something."""
    if status is not None and status not in get_args(Progress):
        fail(f"--status: expected {', '.join(get_args(Progress))}")
    require_sentence("TEXT", text)
    with core() as c:
        try:
            incident = c.incidents.update(
                incident_id, text, operator(), public=public, status=cast("Progress | None", status)
            )
        except NotFound:
            fail(f"no such incident: {incident_id}", 1)
        except (InvalidInput, StateConflict) as error:
            fail(error.detail, 1)
    view: dict[str, Any] = incident_view(incident)
    if json_output:
        as_json(view)
    else:
        print(f"{view['id']} is {view['status']}.")
