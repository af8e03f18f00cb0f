"""The audit trail: who did what, when, from where, and what it was before and after.

Entries are chained by a keyed hash, so that none can be changed, removed from the middle or added to by
somebody who can write to the store but does not have the key. What is cut off at the end is told by the head,
which is kept apart.
"""

import hmac
import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec import Struct

from service.domain.mac import hmac_sha256


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One deed of an operator. `at` in ms; `user` stands in it as a keyed hash only.

    Attributes:
        actor: an API key's id, or `cli:` and the login name.
        origin: the address that it came from, where it came over the network.
        action: dotted: `mode.set`.
        target: what it was done to.
        reason: as the operator gave it.

    """

    at: int
    actor: str
    action: str
    target: str | None = None
    origin: str | None = None
    reason: str | None = None
    before: Any = None
    after: Any = None


class Who(NamedTuple):
    """Who does something, and from where."""

    actor: str
    origin: str | None = None


class ChainedEntry(NamedTuple):
    """An entry as it stands in the trail."""

    id: str
    text: bytes
    hash: str


class Verdict(NamedTuple):
    """Whether a trail is whole: how many entries were read, and what is wrong with which."""

    entries: int
    fault: str | None
    entry: str | None


def chained(key: bytes, head: str, text: bytes) -> str:
    """The hash of an entry that follows another."""
    return hmac_sha256(key, f"audit\0{head}\0".encode() + text).hex()


def verify(key: bytes, entries: Iterable[ChainedEntry], head: str) -> Verdict:
    """Check a trail, oldest entry first, against its head (empty: there must be no entry)."""
    count, present, whole = 0, "", head == ""
    for entry in entries:
        expected = chained(key, present, entry.text)
        if not hmac.compare_digest(expected, entry.hash):
            return Verdict(count, "it, or the one before it, was changed, removed or put in", entry.id)
        count, present = count + 1, entry.hash
        # What was added since the head was read follows it.
        whole = whole or hmac.compare_digest(entry.hash, head)
    return Verdict(count, None if whole else "the newest entries were removed", None)


def canonical(entry: AuditEntry) -> bytes:
    """The text that is hashed and kept."""
    values = {name: getattr(entry, name) for name in entry.__struct_fields__}
    kept = {name: value for name, value in values.items() if value is not None}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
