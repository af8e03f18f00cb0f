"""`otp-fallback doctor`."""

import logging
from typing import TYPE_CHECKING

import typer

from service.cli.output import as_json, table

if TYPE_CHECKING:
    from service.runtime.doctor.finding import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red", "skip": "dim"}


def doctor(strict: bool, json_output: bool) -> None:
    """Look at everything; exit code 1 if something is not well."""
    from service.telemetry import logs

    logs.configure(level=logging.CRITICAL)  # what was found, the findings say
    found = _look()
    levels = [finding.level for finding in found.values()]
    is_well = "fail" not in levels and not (strict and "warn" in levels)
    if json_output:
        as_json(
            {
                "ok": is_well,
                "checks": [
                    {"name": name, "level": f.level, "found": f.found, "mend": f.mend}
                    for name, f in found.items()
                ],
            }
        )
    else:
        _show(found)
        print(f"{levels.count('fail')} failed, {levels.count('warn')} to look at, {levels.count('ok')} well.")
    if not is_well:
        raise typer.Exit(1)


def _look() -> dict[str, "Finding"]:
    from service.runtime.doctor.examination import examine, faults
    from service.runtime.doctor.site import Site
    from service.settings import Settings, SettingsError

    try:
        site = Site(Settings.load())
    except SettingsError as error:
        return faults(error)
    return examine(site)


def _show(found: dict[str, "Finding"]) -> None:
    from rich.markup import escape

    rows = []
    for name, finding in found.items():
        level = f"[{_COLOURS[finding.level]}]{finding.level}[/]"
        mend = f"\n[dim]mend: {escape(finding.mend)}[/]" if finding.mend else ""
        rows.append([level, name, escape(finding.found) + mend])
    table(["", "check", "found"], rows)
