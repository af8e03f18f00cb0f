"""`otp-fallback replay`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.output import as_json, fail
from service.domain.health.route import Transition
from service.flows.replay import TraceFault
from service.flows.replay import replay as replay_trace


def replay(file: str, json_output: bool) -> None:
    """Print each transition: as JSON lines, or in columns."""
    try:
        with _opened(file) as trace:
            for transition in replay_trace(trace):
                _show(transition, json_output)
    except TraceFault as fault:
        fail(f"{file}: {fault}")
    except OSError as error:
        fail(f"{file}: {error.strerror}")


def _show(transition: Transition, json_output: bool) -> None:
    t, route, source, to, reason = transition
    if json_output:
        as_json({"t": t, "route": route, "from": source, "to": to, "reason": reason})
    else:
        print(f"{t:>16.3f}  {route:<28} {source:>9} -> {to:<9}  {reason}")


@contextmanager
def _opened(file: str) -> Iterator[Iterator[bytes] | BinaryIO]:
    """The trace's lines; a progress bar on a terminal, where the length is known."""
    if file == "-":
        yield sys.stdin.buffer
        return
    size = Path(file).stat().st_size
    with Path(file).open("rb") as trace:
        if not sys.stderr.isatty():
            yield trace
            return
        from rich.console import Console

        columns = (TextColumn("replaying"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("replay", total=size)

            def lines() -> Iterator[bytes]:
                done = 0
                for number, line in enumerate(trace):
                    done += len(line)
                    if number % 2000 == 0:
                        progress.update(task, completed=done)
                    yield line

            yield lines()
