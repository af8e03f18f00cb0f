"""API keys: who may call, for which application, to do what."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What an API key is good for."""

    CHALLENGES = "challenges"
    ENROLLMENTS = "enrollments"
    OPS = "ops"
    OPS_READ = "ops:read"  # all of `ops` that changes nothing


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: everything but the key itself. `created_at` in ms."""

    id: str
    name: str
    application: str
    scopes: frozenset[Scope]
    created_at: int

    def may(self, scope: Scope, *, change: bool) -> bool:
        """Whether it is good for what needs a scope; `change`: something other than reading."""
        return scope in self.scopes or (scope is Scope.OPS and not change and Scope.OPS_READ in self.scopes)
