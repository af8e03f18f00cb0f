"""What the commands share: reaching the store, and saying things to people and to scripts."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from service.domain.text import SENTENCE_LENGTH, is_application, is_calling_code, is_sentence

if TYPE_CHECKING:
    from service.core import Core
    from service.domain.audit import Who
    from service.settings import Settings


def fail(message: str, code: int = 2) -> NoReturn:
    """End the command with one line per fault on stderr."""
    for line in message.splitlines():
        print(f"otp-fallback: {line}", file=sys.stderr)
    raise typer.Exit(code)


@contextmanager
def core() -> Iterator["Core"]:
    """The store with its keys, found as `serve` finds it."""
    from service.core import build_core
    from service.runtime.progress import upgrading

    with settings() as found:
        yield build_core(found, upgrade=upgrading)


@contextmanager
def settings() -> Iterator["Settings"]:
    """The settings, with what `serve` fills in; what keeps the store from being reached is one clear line."""
    import logging

    from service.domain.errors import KeyUnusable, SchemaUnknown, StoreUnavailable
    from service.runtime.errors import StartError
    from service.runtime.resolve import resolve
    from service.settings import Settings, SettingsError
    from service.telemetry import logs

    logs.configure(level=logging.ERROR)  # what a command did, it says itself
    try:
        yield resolve(Settings.load())
    except (SettingsError, StartError) as error:
        fail(str(error))
    except (StoreUnavailable, KeyUnusable, SchemaUnknown) as error:
        fail(error.detail, 1)


def require_country(country: str | None) -> None:
    """End the command unless it is a calling code, or none was given."""
    if country is not None and not is_calling_code(country):
        fail("--country: expected a calling code such as +91")


def require_sentence(option: str, text: str) -> None:
    """End the command unless it is a reason, or something to say."""
    if not is_sentence(text):
        fail(f"{option}: expected 1 to {SENTENCE_LENGTH} printable characters")


def require_application(application: str) -> None:
    """End the command unless it is an application's name."""
    if not is_application(application):
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
