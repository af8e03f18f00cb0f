"""How far long work is: a bar on a terminal, and nothing elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.store.migrations.progress import Progress as Migrated


@contextmanager
def progress(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal; it is told how much is done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda done: bar.update(task, completed=done, total=max(total, done))


def upgrading(steps: "Iterator[Migrated]") -> None:
    """Go through the parts of bringing the state up; most often there are none."""
    first = next(steps, None)
    if first is None:
        return
    with progress("upgrading the state", first.total) as advance:
        for step in chain([first], steps):
            advance(step.done)
