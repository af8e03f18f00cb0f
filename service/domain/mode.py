"""The operators' switch: what mode is in force for whom."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """`auto`: health decides; `fallback`: the primary provider is not used; `primary_only`: no switching."""

    AUTO = "auto"
    FALLBACK = "fallback"
    PRIMARY_ONLY = "primary_only"


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom a mode holds; no country and no application means everybody. `country` is a calling code."""

    country: str | None = None
    application: str | None = None

    def covers(self, application: str, calling_code: str | None) -> bool:
        """Whether a challenge of this application, to this country, is meant."""
        return self.application in (None, application) and self.country in (None, calling_code)

    @property
    def narrowness(self) -> tuple[bool, bool]:
        """Sorts scopes: an application is narrower than a country, both together narrowest."""
        return (self.application is not None, self.country is not None)


@dataclass(frozen=True, slots=True)
class ModeSetting:
    """One scope's mode: who set it, why, and until when (ms; `None`: until changed).

    `version` counts the changes of this scope, so that two people at once notice each other.
    """

    mode: Mode
    scope: Scope
    reason: str
    set_by: str
    set_at: int
    expires_at: int | None = None
    version: int = 0
    cleared: bool = False  # taken back: wider settings hold again; kept for its version

    def in_force(self, now: int) -> bool:
        """Whether it has not lapsed."""
        return not self.cleared and (self.expires_at is None or now < self.expires_at)


def effective(
    settings: Iterable[ModeSetting], application: str, calling_code: str | None, now: int
) -> ModeSetting | None:
    """The narrowest setting in force that covers a challenge, or `None`: `auto`."""
    covering = [s for s in settings if s.in_force(now) and s.scope.covers(application, calling_code)]
    return max(covering, key=lambda s: s.scope.narrowness, default=None)
