"""What the outbox tells: one event per transition, written in the script that makes the transition.

Events hold ids, the user's keyed hash, channels, reasons and routes; never a contact, a code or a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from service.domain.challenge import Challenge
from service.domain.text import rfc3339

_CHALLENGE = ("id", "application", "channel", "drill")
# What others are told of each type: nothing that is not named here leaves the service. Users are not named,
# not even by their keyed hash; who started a challenge knows it by its id.
TOLD: Mapping[str, tuple[str, ...]] = {
    "challenge.created": (*_CHALLENGE, "took", "spared"),
    "challenge.sent": (*_CHALLENGE, "provider", "country", "carrier", "sent_at"),
    "challenge.send_failed": (*_CHALLENGE, "provider", "country", "carrier", "failure_class", "code"),
    "challenge.delivery_failed": (*_CHALLENGE, "failed"),
    "challenge.switched": (*_CHALLENGE, "source", "target", "reason"),
    "challenge.resent": _CHALLENGE,
    "challenge.missed": (*_CHALLENGE, "missed", "country", "carrier"),
    "challenge.wrong_code": (*_CHALLENGE, "attempts"),
    "challenge.approved": (*_CHALLENGE, "approved_by", "attempts", "country"),
    "challenge.locked": (*_CHALLENGE, "attempts", "country"),
    "challenge.canceled": (*_CHALLENGE, "country"),
    "challenge.expired": (*_CHALLENGE, "country"),
    "challenge.failed": (*_CHALLENGE, "why"),
    "factor.enrolled": ("application", "factor", "type"),
    "factor.imported": ("application", "factors"),
    "factor.renamed": ("application", "factor"),
    "factor.removed": ("application", "factor"),
    "backup_codes.renewed": ("application",),
    "backup_code.used": ("application", "remaining"),
    "contacts.changed": ("application", "changed"),
    "user.reset": ("application", "factors"),
    "user.deleted": ("application",),
    "user.locked": ("application", "failures"),
    "fraud.suspected": ("provider", "channel", "country", "block", "numbers"),
    "provider.circuit_open": ("route", "from", "to", "reason"),
    "provider.circuit_half_open": ("route", "from", "to", "reason"),
    "provider.circuit_closed": ("route", "from", "to", "reason"),
    "provider.delivery_report": ("channel", "country", "carrier", "status", "code"),
    "provider.status_page": ("provider", "indicator", "components"),
    "incident.opened": ("id", "provider", "status", "impact", "routes", "since", "text", "version"),
    "incident.updated": ("id", "provider", "status", "impact", "routes", "since", "text", "version"),
    "incident.resolved": ("id", "provider", "status", "impact", "routes", "since", "text", "version"),
    "mode.changed": ("mode", "country", "application", "set_by", "expires_at", "cleared"),
    "drill.started": ("id", "kind", "share", "country", "ends_at"),
    "drill.finished": ("id", "kind", "stopped_by"),
}

_TIMES = {"sent_at", "expires_at", "ends_at", "since"}


def told(kind: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What others are told of an event, its times in RFC 3339; `None`: nothing, it is for ourselves."""
    fields = TOLD.get(kind)
    if fields is None:
        return None
    return {
        name: rfc3339(data[name]) if name in _TIMES else data[name]
        for name in fields
        if data.get(name) is not None
    }


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
