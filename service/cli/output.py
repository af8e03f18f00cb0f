"""What the commands share: reaching the store, and saying things to people and to scripts."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from service.app import Core
    from service.domain.audit import Who


def fail(message: str, code: int = 2) -> NoReturn:
    """End the command with one line per fault on stderr."""
    for line in message.splitlines():
        print(f"otp-fallback: {line}", file=sys.stderr)
    raise typer.Exit(code)


@contextmanager
def core() -> Iterator["Core"]:
    """The store, found as `serve` finds it; what keeps it from being reached is one clear line."""
    import logging

    from service.app import build_core
    from service.domain.errors import KeyUnusable, StoreUnavailable
    from service.runtime.errors import StartError
    from service.runtime.resolve import resolve
    from service.settings import Settings, SettingsError
    from service.telemetry import logs

    logs.configure(level=logging.ERROR)  # what a command did, it says itself
    try:
        yield build_core(resolve(Settings.load()))
    except (SettingsError, StartError) as error:
        fail(str(error))
    except (StoreUnavailable, KeyUnusable) as error:
        fail(error.detail, 1)


def require_application(application: str) -> None:
    """End the command unless it is an application's name."""
    if not re.fullmatch(r"[\w.-]{1,64}", application):
        fail("--application: expected 1 to 64 letters, digits, dots, hyphens or underscores")


def operator() -> "Who":
    """Who runs this command, for the audit trail."""
    import getpass

    from service.domain.audit import Who

    return Who(f"cli:{getpass.getuser()}")


def as_json(value: Any) -> None:
    """Print one JSON value."""
    print(json.dumps(value, ensure_ascii=False))


def table(columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; coloured and framed on a terminal only."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=1000)  # nothing is cut off for a pipe
    shown = Table(*columns, box=box.SIMPLE if console.is_terminal else None, pad_edge=False)
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
