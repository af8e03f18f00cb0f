"""`make bench`: how fast and how small, as ratios to a floor; exit code 1 when a goal is missed."""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.bench import wrk
from tests.bench.goals import print_table, report
from tests.bench.trial import Plan, Trial

FEWEST = 1000  # users, with which the others are compared


def main() -> None:
    """Run it."""
    args = _arguments()
    wrk.require()
    console = Console(stderr=True)
    began = time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("starting", total=None)

        def loaded(done: int, users: int) -> None:
            bar.update(task, description=f"enrolling {users} users", completed=done, total=users)

        trial = Trial(_plan(args), lambda what: bar.update(task, description=what, total=None), loaded)
        failed = None
        try:
            trial.run()
        except wrk.RoundFailed as error:
            failed = f"a round failed, so what follows was not measured: {error}"
    found = report(
        trial.rows,
        seconds=round(time.monotonic() - began, 1),
        machine=f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}",
        failed=failed,
        **trial.facts,
    )
    print_table(trial.rows, Console() if sys.stdout.isatty() else Console(width=170))
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(failed or (1 if found["missed"] else 0))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each kind of request (5)")
    parser.add_argument("--seconds", type=int, default=4, help="a round (4)")
    parser.add_argument("--users", type=int, default=100_000, help="enrolled at most (100000)")
    parser.add_argument("--full", action="store_true", help="up to a million users")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 2 s, 20000 users: a first look")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="web processes (one a core)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args()


def _plan(args: argparse.Namespace) -> Plan:
    rounds, seconds, most = (2, 2, 20_000) if args.quick else (args.rounds, args.seconds, args.users)
    if args.full:
        most = 1_000_000
    sizes = [size for size in (FEWEST, 100_000) if size < most] + [most]
    return Plan(sizes, rounds=rounds, seconds=seconds, workers=args.workers)


if __name__ == "__main__":
    main()
