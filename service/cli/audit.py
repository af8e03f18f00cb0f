"""`otp-fallback audit`."""

import typer

from service.cli.output import as_json, core, table
from service.http.views import audit_view


def show(limit: int, json_output: bool) -> None:
    """List the newest entries."""
    with core() as c:
        views = [audit_view(entry) for entry in c.audit.newest(limit)]
    if json_output:
        as_json(views)
    else:
        columns = ["at", "actor", "origin", "action", "target", "reason"]
        table(columns, [[str(view[column] or "") for column in columns] for view in views])


def export() -> None:
    """Print everything."""
    with core() as c:
        for entry in c.audit.export():
            as_json(audit_view(entry))


def verify(json_output: bool) -> None:
    """Check the chain."""
    with core() as c:
        verdict = c.audit.verify()
    if json_output:
        as_json(
            {
                "valid": verdict.fault is None,
                "entries": verdict.entries,
                "fault": verdict.fault,
                "entry": verdict.entry,
            }
        )
    elif verdict.fault is None:
        print(f"{verdict.entries} entries, none missing or changed.")
    else:
        where = f"entry {verdict.entry}: " if verdict.entry else ""
        print(f"Not whole after {verdict.entries} entries: {where}{verdict.fault}.")
    if verdict.fault is not None:
        raise typer.Exit(1)
