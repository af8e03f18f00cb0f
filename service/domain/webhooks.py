"""Webhooks: who is told of which events (`events.TOLD` says what of them), and how often that is tried."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from msgspec import Struct

from service.domain.events import TOLD
from service.domain.text import rfc3339

TEST = "webhook.test"  # sent on demand, whatever an endpoint subscribed to

FOLLOWED = ("challenge", "incident", "drill")  # told in order by their ids; circuits by their routes

RETRIES = (5_000, 30_000, 120_000, 600_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000)  # ms
GIVE_UP = 86_400_000  # ms after a message's first try
SPREAD = 0.2  # of a wait, either way
LONGEST_ASKED = 3_600_000  # ms that a receiver's Retry-After is heeded for
FORMER_SECRET = 86_400_000  # ms that a secret still signs after it was replaced


class Webhook(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Somebody who is told. Times in ms; `version` counts its changes.

    Attributes:
        events: patterns of types: `incident.*`, `challenge.switched`; none: every type.
        application: only this one's challenges, factors and users; what is nobody's is told all the same.
        secret: what signs, sealed.
        former: the one before it, sealed.
        former_until: when that signs no more.

    """

    id: str
    url: str
    events: tuple[str, ...] = ()
    application: str | None = None
    description: str | None = None
    enabled: bool = True
    secret: str
    former: str | None = None
    former_until: int = 0
    created_at: int
    version: int

    def wants(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Whether an event is for it."""
        whose = data.get("application")
        if not self.enabled or (self.application and whose and whose != self.application):
            return False
        return not self.events or any(_covers(pattern, kind) for pattern in self.events)


class Message(Struct, frozen=True, omit_defaults=True):
    """Something to tell one receiver. Times in ms.

    Attributes:
        id: the same in every try, so that a receiver knows what it has seen.
        type: of what.
        at: when it happened.
        data: what is told.
        tries: how often it was tried in vain.
        first: when it was tried first; 0: not yet.

    """

    id: str = ""
    type: str = ""
    at: int = 0
    data: Mapping[str, Any] = {}
    tries: int = 0
    first: int = 0


def is_pattern(text: str) -> bool:
    """Whether it covers any type at all."""
    return any(_covers(text, kind) for kind in TOLD)


def lane_of(kind: str, data: Mapping[str, Any], message_id: str) -> str:
    """What a message is told in order with: the challenge's others, or by itself."""
    if kind.partition(".")[0] in FOLLOWED and isinstance(data.get("id"), str):
        return str(data["id"])
    if isinstance(data.get("route"), str):
        return str(data["route"])
    return message_id


def body_of(message: Message) -> dict[str, Any]:
    """A message as its receiver gets it."""
    return {"type": message.type, "timestamp": rfc3339(message.at), "data": message.data}


def retry_at(message: Message, now: int, *, chance: float, asked: int | None = None) -> int | None:
    """When to try again what was tried in vain.

    Args:
        message: as it was before this try.
        now: ms.
        chance: from [0, 1); spreads the tries.
        asked: ms that the receiver asked to be left alone for.

    Returns:
        The time (ms), `None`: never, it is dead.
    """
    wait = RETRIES[min(message.tries, len(RETRIES) - 1)] * (1 - SPREAD + 2 * SPREAD * chance)
    if asked is not None:
        wait = max(wait, min(asked, LONGEST_ASKED))
    due = now + int(wait)
    return due if due <= (message.first or now) + GIVE_UP else None


def asked_wait(text: str, now: int) -> int | None:
    """A `Retry-After` header, seconds or a date, as ms from now; `None`: it is neither."""
    if text.isascii() and text.isdigit():
        return int(text[:9]) * 1000
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int((moment - datetime.fromtimestamp(now / 1000, UTC)).total_seconds() * 1000))


def signing(webhook: Webhook, now: int) -> Iterable[str]:
    """The sealed secrets that sign for it now, newest first."""
    yield webhook.secret
    if webhook.former is not None and now < webhook.former_until:
        yield webhook.former


def _covers(pattern: str, kind: str) -> bool:
    if pattern == "*":
        return True
    return kind.startswith(pattern[:-1]) if pattern.endswith(".*") else pattern == kind
