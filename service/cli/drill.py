"""`otp-fallback drill`."""

import re
import time
from typing import TYPE_CHECKING, Any, cast

import typer

from service.cli.mode import parse_duration
from service.cli.output import as_json, core, fail, operator, require_application, require_country, table
from service.domain.drills import Drill, Kind, Tally
from service.domain.errors import DrillRefused, NotFound, StateConflict
from service.http.views import drill_view, stuck_user_view

if TYPE_CHECKING:
    from service.core import Core

LONGEST, SHORTEST = 14_400, 10  # seconds
EVERY = 0.5  # seconds between looks
SETTLING = 3.0  # seconds after its end in which the worker counts the last of it
_NAMED = 100  # users told one by one


def start(
    kind: str,
    *,
    reason: str,
    share: str,
    users: list[str],
    application: str | None,
    country: str | None,
    lasting: str,
    max_stuck: int,
    spare: bool,
    detach: bool,
    json_output: bool,
) -> None:
    """Start one and, unless told not to, stay with it."""
    if not reason.strip():
        fail("--reason: say why; it stands in the audit trail")
    require_country(country)
    if application is not None:
        require_application(application)
    duration = parse_duration(lasting)
    if not SHORTEST <= duration <= LONGEST:
        fail("--for: expected 10s to 4h")
    part = _share(share)
    with core() as c:
        try:
            drill = c.drills.start(
                cast("Kind", kind),
                share=part,
                user_ids=users,
                country=country,
                application=application,
                duration=duration,
                spare=spare,
                max_stuck=max_stuck,
                reason=reason,
                who=operator(),
                default_application="default",
            )
            view = drill_view(drill, Tally()) if detach else _follow(c, drill, quiet=json_output)
        except (DrillRefused, StateConflict) as error:
            fail(error.detail, 1)
        except KeyboardInterrupt:  # whenever it comes: no drill stays that nobody waits for
            view = _interrupted(c)
        if json_output:
            as_json(view)
        elif detach:
            print(f"{view['id']} runs until {view['ends_at']}.")
        else:
            _print(c, view)
    if view["ended_by"] in ("safety", "outage"):
        raise typer.Exit(1)


def show_all(json_output: bool) -> None:
    """List them."""
    with core() as c:
        views = [drill_view(drill, tally) for drill, tally in c.drills.all()]
    if json_output:
        as_json(views)
        return
    columns = ["id", "kind", "status", "ended_by", "started_at"]
    counts = ["challenges", "switched", "got_in", "nowhere_to_go"]
    rows = [
        [*(str(view[column] or "") for column in columns), *(str(view["report"][name]) for name in counts)]
        for view in views
    ]
    table([*columns, *counts], rows)


def show(drill_id: str, json_output: bool) -> None:
    """Show one."""
    with core() as c:
        try:
            view = _view(c, drill_id)
        except NotFound:
            fail(f"no such drill: {drill_id}", 1)
        if json_output:
            as_json(view)
        else:
            _print(c, view)


def stop(drill_id: str | None, reason: str | None, json_output: bool) -> None:
    """End one."""
    with core() as c:
        if drill_id is None:
            running = c.drills.running()
            if running is None:
                fail("no drill is running", 1)
            drill_id = running.id
        try:
            c.drills.stop(drill_id, operator(), reason)
            view = _view(c, drill_id)
        except NotFound:
            fail(f"no such drill: {drill_id}", 1)
        except StateConflict as error:
            fail(error.detail, 1)
    if json_output:
        as_json(view)
    else:
        print(f"{drill_id} is over.")


def _share(text: str) -> float:
    match = re.fullmatch(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)(%?)", text)
    share = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0.001 <= share <= 1:
        fail("--share: expected a share such as 10% or 0.1, at least 0.1%")
    return share


def _view(c: "Core", drill_id: str) -> dict[str, Any]:
    drill, tally = c.drills.get(drill_id)
    without = [stuck_user_view(user) for user in c.drills.without(tally, _NAMED)]
    return {**drill_view(drill, tally), "users_without": without}


def _follow(c: "Core", drill: Drill, *, quiet: bool) -> dict[str, Any]:
    """Stay until it is over and counted."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn("drill"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[counts]}"),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task("drill", total=drill.ends_at - drill.started_at, counts="")
        while not drill.ended_at:
            time.sleep(EVERY)
            drill, tally = c.drills.get(drill.id)
            now = c.clock()
            counts = f"{tally.challenges} challenges, {tally.switched} switched, {tally.stuck(now)} stuck"
            bar.update(task, completed=now - drill.started_at, counts=counts)
        time.sleep(SETTLING)
    return _view(c, drill.id)


def _interrupted(c: "Core") -> dict[str, Any]:
    """End the drill that this operator began a moment ago, if it came to that."""
    running = c.drills.running()
    if running is None or running.started_by != operator().actor:
        raise typer.Exit(130)
    c.drills.stop(running.id, operator(), "interrupted")
    return _view(c, running.id)


def _print(c: "Core", view: dict[str, Any]) -> None:
    found = view["report"]
    ended = f", ended by {view['ended_by']} at {view['ended_at']}" if view["ended_at"] else ""
    print(f"{view['id']}: {view['kind']}, {view['share']:.0%} of users, {view['status']}{ended}")
    print(f"  {found['challenges']} challenges took part, {found['switched']} switched to another channel")
    by = ", ".join(f"{count} by {channel}" for channel, count in sorted(found["approved_by"].items()))
    print(f"  {found['got_in']} got in{f' ({by})' if by else ''}, {found['pending']} still under way")
    print(
        f"  {found['failed']} failed, {found['expired']} expired, {found['locked']} locked, "
        f"{found['canceled']} canceled"
    )
    if found["median_time"] is not None:
        median, slow = found["median_time"] / 1000, found["slow_time"] / 1000
        print(f"  from start to approval: median {median:.1f} s, 95 % within {slow:.1f} s")
    print(f"  {found['nowhere_to_go']} had nowhere to go")
    for user in view.get("users_without", []):
        print(f"    {user['application']} {user['user_id']} {user['phone'] or ''}")
