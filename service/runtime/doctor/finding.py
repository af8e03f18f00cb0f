"""What a check finds."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail", "skip"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        level: `skip`: there was nothing to look at.
        found: one line; nothing secret in it.
        mend: how to mend it, for `warn` and `fail`.

    """

    level: Level
    found: str
    mend: str | None = None


def ok(found: str) -> Finding:
    """All is well."""
    return Finding("ok", found)


def warn(found: str, mend: str) -> Finding:
    """It works, and could be better."""
    return Finding("warn", found, mend)


def fail(found: str, mend: str) -> Finding:
    """Logins suffer by it, or will."""
    return Finding("fail", found, mend)


def skip(found: str) -> Finding:
    """There is nothing to look at here."""
    return Finding("skip", found)
