"""Twilio's Attempts: every message sent, whether its code was used, and the sum of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from service.sandbox.countries import country_of
from service.sandbox.errors import invalid
from service.sandbox.storage import Database

_COLUMNS = "sid, verification_sid, recipient, channel, created_at, converted_at"


class AttemptRow(NamedTuple):
    """A message sent; times in Unix seconds, ``converted_at`` None as long as its code was not used."""

    sid: str
    verification_sid: str
    to: str
    channel: str
    created_at: float
    converted_at: float | None


class Attempts:
    """Reads attempts by Twilio's filters (https://www.twilio.com/docs/verify/api/list-verification-attempts)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, filters: Mapping[str, str]) -> list[AttemptRow]:
        """The attempts that the filters leave, newest first."""
        where, values = _conditions(filters)
        found = self._database.rows(
            f"SELECT {_COLUMNS} FROM attempts WHERE {where} ORDER BY id DESC",  # noqa: S608 - placeholders
            values,
        )
        rows = [AttemptRow(*row) for row in found]
        country = filters.get("Country", "").upper()
        return [row for row in rows if country_of(row.to) == country] if country else rows

    def summary(self, filters: Mapping[str, str]) -> dict[str, int | float]:
        """Totals and the conversion rate in per cent, over the attempts the filters leave."""
        rows = self.find(filters)
        total, converted = len(rows), sum(row.converted_at is not None for row in rows)
        return {
            "total_attempts": total,
            "total_converted": converted,
            "total_unconverted": total - converted,
            "conversion_rate_percentage": round(100 * converted / total, 2) if total else 0.0,
        }


def _conditions(filters: Mapping[str, str]) -> tuple[str, list[object]]:
    conditions: list[str] = ["1"]
    values: list[object] = []
    for name, condition in {
        "DateCreatedAfter": "created_at >= ?",
        "DateCreatedBefore": "created_at <= ?",
        "Channel": "channel = ?",
        "ChannelData.To": "recipient = ?",
        "DestinationPrefix": "substr(recipient, 1, length(?1)) = ?1",
        "VerificationSid": "verification_sid = ?",
    }.items():
        if value := filters.get(name):
            numbered = f"?{len(values) + 1}"
            conditions.append(condition.replace("?1", "?").replace("?", numbered))
            values.append(_time(name, value) if name.startswith("Date") else value)
    if status := filters.get("Status"):
        conditions.append(f"converted_at IS {'NOT ' if status.lower() == 'converted' else ''}NULL")
    return " AND ".join(conditions), values


def _time(name: str, value: str) -> float:
    try:
        return datetime.fromisoformat(value).timestamp()
    except ValueError:
        raise invalid(name, value) from None
