"""What the outbox tells: one event per transition, written in the script that makes the transition.

Events hold ids, the user's keyed hash, channels, reasons and routes; never a contact, a code or a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.domain.challenge import Challenge


@dataclass(frozen=True, slots=True)
class Event:
    """A thing that happened. `type` is dotted (`challenge.switched`), `at` in ms."""

    type: str
    at: int
    data: Mapping[str, Any] = field(default_factory=dict)


def challenge_event(kind: str, challenge: Challenge, at: int, **data: object) -> Event:
    """An event of one challenge, with what every one of them carries."""
    return Event(
        f"challenge.{kind}",
        at,
        {
            "id": challenge.id,
            "application": challenge.application,
            "user": challenge.user,
            "channel": challenge.channel,
            **({"drill": challenge.drill} if challenge.drill else {}),
            **data,
        },
    )
