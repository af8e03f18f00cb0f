"""The provider's own status page, as evidence: it comes late, so it only makes us listen more closely."""

import random
from collections.abc import Callable

from service.domain.channels import PRIMARY_PROVIDER
from service.domain.events import Event
from service.flows.health import DecideHealth
from service.providers.statuspage import FeedFailure, StatusPage, Summary
from service.store.health import Feed, HealthStore
from service.telemetry import logs, metrics

EVERY = 60.0  # seconds between looks
LONGEST = 900.0  # seconds between looks at a page that can't be read
HEEDED = 3 * EVERY  # seconds that a page's trouble lowers the bars, from the last look

_log = logs.get("status_feed")


class WatchStatusPage:
    """Looks at one status page again and again."""

    def __init__(
        self,
        page: StatusPage,
        health: HealthStore,
        decide: DecideHealth,
        *,
        clock: Callable[[], int],
    ) -> None:
        self._page = page
        self._health = health
        self._decide = decide
        self._clock = clock
        self._said: Summary | None = None
        self._failures = 0

    def look(self) -> float:
        """Look once. Returns the seconds to wait before the next look."""
        now = self._clock()
        try:
            said = self._page.fetch() or self._said
        except FeedFailure as failure:
            self._failures += 1
            metrics.STATUS_FEED.labels("unreadable").inc()
            _log.warning("status_page_unreadable", why=str(failure))
            wait = min(LONGEST, EVERY * 2.0 ** min(self._failures, 10))
            return wait * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, keeps no secret
        self._failures = 0
        metrics.STATUS_FEED.labels("read").inc()
        if said is None:
            return EVERY
        feed = Feed(
            indicator=said.status.indicator,
            description=said.status.description,
            components=said.trouble()[:20],
            checked_at=now,
        )
        changed = self._said is None or said.status.indicator != self._said.status.indicator
        self._said = said
        events = []
        if changed:
            told = {"provider": PRIMARY_PROVIDER, "indicator": feed.indicator, "components": feed.components}
            events.append(Event("provider.status_page", now, told))
            _log.info("status_page", **told)
        self._health.save_feed(feed, events)
        if feed.indicator in ("minor", "major", "critical"):
            self._decide.warn(PRIMARY_PROVIDER, HEEDED)
        return EVERY
