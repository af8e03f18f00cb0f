"""`make chaos`: logins under load while what they need breaks, a table; exit code 1 when something is wrong."""

import argparse
import json
import sys
import time
from dataclasses import asdict

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.scenarios import SCENARIOS, named, quick, tried
from tests.chaos.trial import Row, Scenario

SENTENCES = 10  # of what was wrong, a trial


def main() -> None:
    """Run the trials."""
    args = _arguments()
    if args.list:
        print("\n".join(scenario.name for scenario in SCENARIOS))
        return
    chosen = quick() if args.quick else named(args.only)
    if not chosen:
        sys.exit("no such trial; --list names them")
    console = Console(stderr=True)
    began = time.monotonic()
    rows: list[Row] = []
    with Progress(
        *(SpinnerColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f} {task.description}")),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    ) as bar:
        task = bar.add_task("starting", total=len(chosen))

        def begun(scenario: Scenario) -> None:
            bar.update(task, description=scenario.name)

        for row in tried(chosen, quick=args.quick, begun=begun):
            rows.append(row)
            bar.advance(task)
    seconds = time.monotonic() - began
    if args.json:
        report = [{**asdict(row), "bad": row.bad} for row in rows]
        print(json.dumps({"trials": report, "seconds": round(seconds, 1)}))
    else:
        _print(rows, seconds)
    sys.exit(1 if any(row.bad for row in rows) else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument(
        "--only", action="append", default=[], metavar="WORD", help="trials with this in their name"
    )
    parser.add_argument("--quick", action="store_true", help="those of every test run, as short as there")
    parser.add_argument("--list", action="store_true", help="print their names")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def _print(rows: list[Row], seconds: float) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=170)
    table = Table(
        "fault", "requests", "logins", "unavailable", "broken off", "wrong", "lost", "s to recover",
        "slowest answer, s", "memory, MiB", "open files", "checked after",
    )  # fmt: skip
    for row in rows:
        if row.skipped is not None:
            table.add_row(row.fault, f"[yellow]skipped: {row.skipped}[/yellow]")
            continue
        table.add_row(
            row.fault,
            *(str(count) for count in (row.requests, row.logins, row.unavailable, row.broken)),
            *(f"[red]{len(found)}[/red]" if found else "0" for found in (row.wrong, row.lost)),
            f"{row.recovery:.1f}" if row.recovery is not None else "[red]never[/red]",
            f"{row.slowest:.1f}",
            *("{} → {}".format(*pair) for pair in (row.memory, row.files)),
            str(sum(row.checked.values())),
        )
    console.print(table)
    for row in rows:
        for what, found in (("wrong", row.wrong), ("lost", row.lost)):
            for sentence in found[:SENTENCES]:
                console.print(f"[red]{what}[/red]: {row.fault}: {sentence}", highlight=False, markup=True)
    console.print(
        f"{len(rows)} trials in {seconds:.0f} s. Requests, logins and answers of 503 while it was broken; what is "
        "checked after are enrolments, contacts, modes and used codes that were acknowledged; memory and files "
        "are those of the largest process of the service, before and after."
    )


if __name__ == "__main__":
    main()
