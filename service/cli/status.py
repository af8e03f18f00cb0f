"""`otp-fallback status`."""

import time
from typing import TYPE_CHECKING, Any

from service.cli.output import as_json, core
from service.domain.mode import Mode
from service.http.views import (
    drill_view,
    health_view,
    incident_view,
    mode_setting_view,
    readiness_view,
    suspect_view,
)

if TYPE_CHECKING:
    from service.core import Core

EVERY = 2.0  # seconds between looks of `--watch`


def status(watch: bool, json_output: bool) -> None:
    """Show it once, or again and again."""
    with core() as c:
        while True:
            found = _look(c)
            if json_output:
                as_json(found)
            else:
                _show(found, clear=watch)
            if not watch:
                return
            try:
                time.sleep(EVERY)
            except KeyboardInterrupt:
                return


def _look(c: "Core") -> dict[str, Any]:
    everybody, settings = c.mode.current()
    states, feed, deciding = c.health.overview()
    health = health_view(states, feed, decided=deciding)
    users, applications = c.readiness()
    running = c.drills.running()
    return {
        "mode": everybody.mode if everybody else Mode.AUTO,
        "modes": [mode_setting_view(setting) for setting in settings],
        "deciding": deciding,
        "providers": health["providers"],
        "routes": health["routes"],
        "status_page": health["status_page"],
        "incidents": [incident_view(i) for i in c.incidents.all() if not i.resolved_at],
        "suspects": [suspect_view(suspect) for suspect in c.toll_fraud.suspects()],
        "drill": drill_view(running, c.drills.get(running.id)[1]) if running else None,
        "readiness": {
            **readiness_view(users),
            "applications": {name: readiness_view(counts) for name, counts in applications.items()},
        },
    }


def _show(found: dict[str, Any], *, clear: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if clear and console.is_terminal:
        console.clear()
    elif not console.is_terminal:
        console = Console(width=1000, highlight=False)
    calm = "green" if found["mode"] == Mode.AUTO else "yellow"
    console.print(
        f"Mode for everybody: [{calm}]{found['mode']}[/{calm}], {len(found['modes'])} settings in force"
    )
    if not found["deciding"]:
        console.print("[red]No worker decides: routes neither open nor close.[/red]")
    routes = Table("route", "state", "since", "reason", "sends", "faults", box=box.SIMPLE, pad_edge=False)
    colours = {"closed": "green", "half_open": "yellow", "open": "red"}
    for route in found["routes"]:
        evidence, colour = route["evidence"], colours[route["state"]]
        state = f"[{colour}]{route['state']}[/{colour}]"
        counts = (str(evidence["sends"]), str(evidence["faults"]))
        routes.add_row(route["route"], state, route["since"] or "", route["reason"] or "", *counts)
    console.print(routes if found["routes"] else "No route has had traffic yet.")
    for incident in found["incidents"]:
        troubled = ", ".join(one["route"] for one in incident["troubled"])
        console.print(f"[red]{incident['id']}[/red] {incident['impact']}, {incident['status']}: {troubled}")
    if not found["incidents"]:
        console.print("No open incident.")
    for suspect in found["suspects"]:
        console.print(
            f"[yellow]{suspect['block']}…[/yellow] toll fraud is suspected until {suspect['until']}"
        )
    if drill := found["drill"]:
        console.print(f"[yellow]{drill['id']}[/yellow] {drill['kind']} is rehearsed until {drill['ends_at']}")
    ready = found["readiness"]
    share = "-" if ready["share"] is None else f"{ready['share']:.1%}"
    console.print(
        f"If SMS died now: {ready['ready']} of {ready['users']} users would get in ({share}),"
        f" {ready['stuck']} would not"
    )
