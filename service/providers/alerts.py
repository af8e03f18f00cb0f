"""Alerts through Apprise: chat, pagers, mail, whatever it has a URL for.

Apprise is imported when it is first needed: it reads a hundred services, and few processes send alerts.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from service.deadline import DeadlineExceeded, within
from service.domain.alerts import Alert

if TYPE_CHECKING:
    from apprise import NotifyBase

DEADLINE = 30.0  # seconds
# Services that keep one alarm per key, and how their URLs say so.
_KEYED = {"pagerduty": "dedup"}


@dataclass(frozen=True, slots=True, repr=False)
class AlertTarget:
    """One place that alerts go to. `number` counts from 1, as in the setting."""

    number: int
    service: str
    url: str

    def __repr__(self) -> str:
        return f"AlertTarget({self.number}, {self.service})"

    def is_understood(self) -> bool:
        """Whether Apprise knows what to do with its URL."""
        return _instance(self.url) is not None

    def send(self, alert: Alert) -> str | None:
        """Send an alert. Returns a word that says why it failed, `None`: it was taken."""
        target = _instance(self._url_for(alert))
        if target is None:
            return "not_understood"
        from apprise import NotifyType  # noqa: PLC0415 - see the top

        try:
            sent = within(
                DEADLINE,
                lambda: target.notify(
                    body=alert.body, title=alert.title, notify_type=NotifyType(alert.level)
                ),
            )
        except DeadlineExceeded:
            return "timeout"
        except Exception:  # noqa: BLE001 - a hundred services' code; what they say may hold the URL
            return "error"
        return None if sent else "refused"

    def _url_for(self, alert: Alert) -> str:
        name = _KEYED.get(self.service)
        if name is None or f"{name}=" in self.url:
            return self.url
        joint = "&" if "?" in self.url else "?"
        return f"{self.url}{joint}{urlencode({'action': 'map', name: alert.key})}"


def parse_targets(text: str) -> Sequence[AlertTarget]:
    """The targets of Apprise URLs with blanks between them; what they mean is not looked at."""
    return [
        AlertTarget(number, entry.partition("://")[0].lower(), entry)
        for number, entry in enumerate(text.split(), 1)
    ]


def require_understood(targets: Sequence[AlertTarget]) -> None:
    """Have Apprise look at the URLs.

    Raises:
        ValueError: it does not understand one; its number and service are told.
    """
    for target in targets:
        if not target.is_understood():
            raise ValueError(f"number {target.number} ({target.service}://) is not a URL that Apprise takes")


def _instance(url: str) -> "NotifyBase | None":
    from apprise import Apprise  # noqa: PLC0415 - see the top

    # Its log quotes URLs with all that is in them.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    return Apprise.instantiate(url)
