"""Reading a file that a command was given, with a progress bar on a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def lines_of(file: str, doing: str) -> Iterator[Iterator[bytes] | BinaryIO]:
    """The lines of a file, `-` for standard input; where the length is known, how far it is.

    Args:
        file: its path.
        doing: what is done with it: `replaying`.

    Raises:
        OSError: it can't be read.
    """
    if file == "-":
        yield sys.stdin.buffer
        return
    size = Path(file).stat().st_size
    with Path(file).open("rb") as source:
        if not sys.stderr.isatty():
            yield source
            return
        columns = (TextColumn(doing), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(doing, total=size)

            def lines() -> Iterator[bytes]:
                done = 0
                for number, line in enumerate(source):
                    done += len(line)
                    if number % 500 == 0:
                        progress.update(task, completed=done)
                    yield line

            yield lines()
