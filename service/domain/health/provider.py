"""A provider's routes taken together."""

from collections.abc import Iterable
from typing import Literal

from service.domain.health.breaker import State

ProviderState = Literal["closed", "degraded", "open"]


def provider_state(routes: Iterable[tuple[State, int]]) -> ProviderState:
    """`open`: every route with traffic is; `degraded`: some are not closed.

    Args:
        routes: each route's state, and its sends within the last minute.
    """
    known = list(routes)
    troubled = [state for state, _ in known if state != "closed"]
    busy = [state for state, sends in known if sends or state != "closed"]
    if not troubled:
        return "closed"
    return "open" if len(troubled) == len(busy) else "degraded"


def is_down(routes: Iterable[tuple[State, int]]) -> bool:
    """Whether every route with traffic is affected."""
    return provider_state(routes) == "open"
