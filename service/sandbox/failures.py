"""Failures to choose: rules, kept in order, that decide which request fails and how."""

import json
import math
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from service.sandbox.storage import Database

#: Kinds that stop the Verify API from answering as asked.
API_KINDS = (
    "http_500", "http_503", "hang", "trickle", "reset", "malformed", "slow", "not_delivered",
    "unauthorized", "suspended", "wrong_service", "throttled", "concurrent", "max_sends",
    "landline", "geo", "fraud", "blocked", "channel_disabled", "invalid_parameter",
)  # fmt: skip
#: Kinds that stop the mail server.
MAIL_KINDS = ("mail_451", "mail_550", "mail_hang", "mail_slow")
OPERATIONS = ("send", "check", "update", "all", "mail")
CHANNELS = ("sms", "call", "whatsapp", "email")
#: Seconds: before a slow answer, and between two bytes of a trickled one.
DEFAULT_DELAYS = {"slow": 3.0, "mail_slow": 3.0, "trickle": 0.5}
MAX_DELAY = 3600.0


class MalformedRuleError(ValueError):
    """A rule that makes no sense; ``field`` names the part that does not."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class Subject(NamedTuple):
    """Whom a request is about."""

    to: str
    channel: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One failure; ``country`` is a prefix of numbers, ``share`` in (0, 1], ``delay`` in seconds."""

    id: int
    kind: str
    operation: str = "send"
    country: str | None = None
    channel: str | None = None
    share: float = 1.0
    delay: float = 0.0

    def concerns(self, operation: str) -> bool:
        """Whether the rule is about this operation; ``all`` is everything the Verify API does."""
        return self.operation == operation or (self.operation == "all" and operation != "mail")

    def matches(self, subject: Subject) -> bool:
        """Whether the rule is about this recipient and channel."""
        return subject.to.startswith(self.country or "") and self.channel in {None, subject.channel}


class Failures:
    """The rules in force, in the order they were added; safe to use from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._seen: dict[int, int] = {}
        rows = database.rows("SELECT id, rule FROM failures ORDER BY id")
        self._rules = [Rule(id=row[0], **json.loads(row[1])) for row in rows]

    def list(self) -> list[Rule]:
        """Every rule, oldest first."""
        with self._lock:
            return list(self._rules)

    def add(self, given: Mapping[str, object]) -> Rule:
        """Put a rule in force, after those that are.

        Raises:
            MalformedRuleError: a field is missing, unknown or out of range.

        """
        fields = parse(given)
        with self._lock:
            row = self._database.write("INSERT INTO failures (rule) VALUES (?)", (json.dumps(fields),))
            rule = Rule(id=row, **fields)
            self._rules = [*self._rules, rule]
        return rule

    def remove(self, rule_id: int | None = None) -> int:
        """Lift one rule, or all; how many there were."""
        with self._lock:
            kept = [rule for rule in self._rules if rule_id is not None and rule.id != rule_id]
            removed = len(self._rules) - len(kept)
            self._rules = kept
            self._database.write("DELETE FROM failures WHERE ?1 IS NULL OR id = ?1", (rule_id,))
        return removed

    def choose(self, operation: str, subject: Callable[[], Subject]) -> Rule | None:
        """The first rule that strikes this request; ``subject`` is asked only when a rule needs it."""
        rules = [rule for rule in self._rules if rule.concerns(operation)]
        if not rules:
            return None
        about = subject()
        with self._lock:
            return next((rule for rule in rules if rule.matches(about) and self._strikes(rule)), None)

    def _strikes(self, rule: Rule) -> bool:
        """Spread a share evenly: of any n requests seen since the start, floor(n * share) are struck."""
        seen = self._seen.get(rule.id, 0)
        self._seen[rule.id] = seen + 1
        share = Fraction(str(rule.share))
        return math.floor((seen + 1) * share) > math.floor(seen * share)


def describe(rule: Rule) -> dict[str, object]:
    """The rule as the control API tells it."""
    return asdict(rule)


def parse(given: Mapping[str, object]) -> dict[str, Any]:
    """Check a rule's fields and fill in what was left out."""
    if unknown := sorted(set(given) - {"kind", "operation", "country", "channel", "share", "delay"}):
        raise MalformedRuleError(unknown[0], "unknown field")
    kind = _one_of("kind", given.get("kind"), API_KINDS + MAIL_KINDS)
    mail = kind in MAIL_KINDS
    operation = _one_of("operation", given.get("operation") or ("mail" if mail else "send"), OPERATIONS)
    if mail != (operation == "mail"):
        raise MalformedRuleError("operation", f"{operation} cannot fail by {kind}")
    if kind == "not_delivered" and operation != "send":
        raise MalformedRuleError("operation", "only a send can be not_delivered")
    country = given.get("country") or None
    if country is not None and (mail or not re.fullmatch(r"\+[1-9]\d{0,14}", str(country))):
        raise MalformedRuleError("country", "a prefix of phone numbers, such as +91; none for mail")
    channel = given.get("channel") or None
    if channel is not None:
        channel = _one_of("channel", channel, ("email",) if mail else CHANNELS)
    share = _number("share", given.get("share", 1), 0, 1)
    if share == 0:
        raise MalformedRuleError("share", "more than 0, at most 1")
    delay = _number("delay", given.get("delay", DEFAULT_DELAYS.get(kind, 0)), 0, MAX_DELAY)
    return {
        "kind": kind, "operation": operation, "country": country,
        "channel": channel, "share": share, "delay": delay,
    }  # fmt: skip


def _one_of(field: str, value: object, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise MalformedRuleError(field, f"one of {', '.join(allowed)}")
    return str(value)


def _number(field: str, value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise MalformedRuleError(field, f"a number from {least:g} to {most:g}")
    return float(value)
