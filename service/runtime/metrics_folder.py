"""The folder through which processes share their metrics (`PROMETHEUS_MULTIPROC_DIR`)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def empty(folder: Path) -> None:
    """Forget what processes of an earlier start measured."""
    for file in folder.glob("*.db"):
        file.unlink(missing_ok=True)


def forget_dead(folder: Path) -> None:
    """Drop what ended processes were just doing (live gauges); what they counted stays."""
    for file in folder.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        if pid.isdigit() and not _lives(int(pid)):
            with suppress(OSError):
                file.unlink()


@contextmanager
def without_dead(folder: Path) -> Iterator[tuple[int, ...]]:
    """For `Program.holding`: a web server that is started again left no live gauges."""
    forget_dead(folder)
    yield ()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
