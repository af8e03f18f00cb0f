"""`make lab`: every incident, many seeds, a table; exit code 1 when a target is missed."""

import argparse
import json
import math
import os
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from service.domain.health import silence
from tests.lab.scenarios import HEALTHY, SCENARIOS, Result, Scenario, healthy, healthy_plain

CHUNK = 250_000  # healthy sends a job


def main() -> None:
    """Run the lab."""
    args = _arguments()
    console = Console(stderr=True)
    chosen = [s for s in SCENARIOS if args.scenario in (None, s.name)]
    if not chosen:
        sys.exit(f"no such scenario; there are: {'; '.join(s.name for s in SCENARIOS)}")
    with (
        ProcessPoolExecutor(args.jobs) as pool,
        Progress(console=console, disable=not console.is_terminal) as bar,
    ):
        if args.curve:
            report: dict[str, Any] = {"curve": _curve(pool, bar, args)}
        else:
            report = _report(pool, bar, chosen, args)
    if args.json:
        print(json.dumps(report))
    else:
        _print(report)
    sys.exit(1 if report.get("missed") else 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make lab", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="runs of each incident")
    parser.add_argument("--sends", type=int, default=2_000_000, help="healthy sends of each kind; 0: none")
    parser.add_argument("--scenario", help="only this incident")
    parser.add_argument(
        "--curve", action="store_true", help="thresholds against false openings and time to open"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser.parse_args()


def run_one(job: tuple[str, int]) -> Result:
    """One incident, one seed; in a process of its own."""
    name, seed = job
    return next(s for s in SCENARIOS if s.name == name).run(seed)


def run_healthy(job: tuple[str, int, int]) -> tuple[int, int]:
    """False openings, ours and the plain CUSUM's."""
    kind, sends, seed = job
    return healthy(kind, sends, seed).openings(), healthy_plain(kind, sends, seed)


def run_threshold(job: tuple[float, int, int]) -> tuple[int, float, float]:
    """False openings in a healthy day, and seconds to open on total and half loss, by a threshold."""
    threshold, sends, seed = job
    from service.domain.health import monitor, route

    for module in (silence, route, monitor):
        module.THRESHOLD = threshold  # type: ignore[attr-defined]
    false = healthy("drift 65-85 % a day", sends, seed).openings()
    total, half = (run_one((name, seed)).seconds or math.inf for name in ("silent, total", "silent, half"))
    return false, total, half


def _report(
    pool: ProcessPoolExecutor, bar: Progress, chosen: list[Scenario], args: argparse.Namespace
) -> dict[str, Any]:
    jobs = [(s.name, seed) for s in chosen for seed in range(args.seeds)]
    task = bar.add_task("incidents", total=len(jobs))
    found: dict[str, list[Result]] = {s.name: [] for s in chosen}
    for (name, _), result in zip(jobs, pool.map(run_one, jobs), strict=True):
        found[name].append(result)
        bar.advance(task)
    rows = [_row(scenario, found[scenario.name]) for scenario in chosen]
    calm = []
    if args.sends and args.scenario is None:
        chunks = max(1, args.sends // CHUNK)
        days = [(kind, args.sends // chunks, 1000 + n) for kind in HEALTHY for n in range(chunks)]
        task = bar.add_task("health", total=len(days))
        counts: dict[str, list[tuple[int, int]]] = {kind: [] for kind in HEALTHY}
        for (kind, _, _), pair in zip(days, pool.map(run_healthy, days), strict=True):
            counts[kind].append(pair)
            bar.advance(task)
        calm = [_calm(kind, pairs, args.sends) for kind, pairs in counts.items()]
    missed = [row["name"] for row in rows if row["missed"]] + [c["kind"] for c in calm if c["missed"]]
    return {"incidents": rows, "health": calm, "missed": missed}


def _row(scenario: Scenario, results: list[Result]) -> dict[str, Any]:
    seconds = [r.seconds if r.seconds is not None else math.inf for r in results]
    matured = [r.matured for r in results]
    closing = [r.close_seconds for r in results if r.close_seconds is not None]
    plain = [r.plain_seconds for r in results if r.plain_seconds is not None]
    target = scenario.matured_target
    return {
        "name": scenario.name,
        "seconds": {"median": statistics.median(seconds), "p90": _p90(seconds), "max": max(seconds)},
        "sends": {
            "median": statistics.median([r.sends for r in results]),
            "p90": _p90([r.sends for r in results]),
        },
        "matured": {"median": statistics.median(matured), "p90": _p90(matured), "target": target},
        "lost_time": statistics.median([r.lost_time for r in results]),
        "close": {"median": statistics.median(closing), "p90": _p90(closing)} if closing else None,
        "wrong": sum(r.wrong for r in results),
        "plain": statistics.median(plain) if plain else None,
        "missed": math.isinf(max(seconds)) or (target is not None and statistics.median(matured) > target),
    }


def _calm(kind: str, pairs: list[tuple[int, int]], sends: int) -> dict[str, Any]:
    false, plain = sum(a for a, _ in pairs), sum(b for _, b in pairs)
    return {
        "kind": kind,
        "sends": sends,
        "false": false,
        # The upper end of a one-sided 95 % Poisson interval; for none it is 3 (the rule of three).
        "upper_per_million": round(_poisson_upper(false) / sends * 1e6, 2),
        "plain": plain,
        "missed": false / sends * 1e6 >= 1,
    }


def _poisson_upper(count: int) -> float:
    low, high = 0.0, 100.0 + 10 * count
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(math.exp(-middle + k * math.log(middle) - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return high


def _p90(values: list[Any]) -> Any:
    return sorted(values)[min(len(values) - 1, math.ceil(0.9 * len(values)) - 1)]


def _curve(pool: ProcessPoolExecutor, bar: Progress, args: argparse.Namespace) -> list[dict[str, Any]]:
    thresholds = [5.0, 7.0, 9.0, 10.0, 11.0, 12.0, 14.0]
    sends = min(args.sends, 1_000_000) // args.seeds
    jobs = [(t, sends, seed) for t in thresholds for seed in range(args.seeds)]
    task = bar.add_task("thresholds", total=len(jobs))
    found: dict[float, list[tuple[int, float, float]]] = {t: [] for t in thresholds}
    for (t, _, _), result in zip(jobs, pool.map(run_threshold, jobs), strict=True):
        found[t].append(result)
        bar.advance(task)
    return [
        {
            "threshold": t,
            "false_per_million": round(sum(r[0] for r in results) / (sends * len(results)) * 1e6, 1),
            "total_seconds": statistics.median([r[1] for r in results]),
            "half_seconds": statistics.median([r[2] for r in results]),
        }
        for t, results in found.items()
    ]


def _print(report: dict[str, Any]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=150)
    if "curve" in report:
        shown = Table("threshold", "false openings in 10^6 sends (drifting)", "total loss, s", "half loss, s")
        for row in report["curve"]:
            shown.add_row(*(f"{value:g}" for value in row.values()))
        console.print(shown)
        return
    shown = Table(
        "incident", "s to open: median", "p90", "max", "plain CUSUM", "sends", "matured (target)",
        "users who lost time", "s to close: median", "p90", "others opened", "",
    )  # fmt: skip
    for row in report["incidents"]:
        close, plain = row["close"], row["plain"]
        shown.add_row(
            row["name"],
            *(f"{row['seconds'][key]:.0f}" for key in ("median", "p90", "max")),
            f"{plain:.0f}" if plain is not None else "never",
            f"{row['sends']['median']:.0f}",
            f"{row['matured']['median']:.0f} ({row['matured']['target']})"
            if row["matured"]["target"]
            else "",
            f"{row['lost_time']:.0f}",
            *((f"{close['median']:.0f}", f"{close['p90']:.0f}") if close else ("", "")),
            str(row["wrong"]),
            "[red]missed[/red]" if row["missed"] else "[green]met[/green]",
        )
    console.print(shown)
    if report["health"]:
        calm = Table("health", "sends", "false openings", "per 10^6, at most (95 %)", "plain CUSUM", "")
        for row in report["health"]:
            calm.add_row(
                row["kind"], f"{row['sends']:,}", str(row["false"]), f"{row['upper_per_million']:g}",
                str(row["plain"]), "[red]missed[/red]" if row["missed"] else "[green]met[/green]",
            )  # fmt: skip
        console.print(calm)
    console.print(
        "Matured: sends of the incident older than 90 s when the route opened; the test reckons with open "
        "sends, so that it mostly need not wait for any."
    )


if __name__ == "__main__":
    main()
