"""Toll fraud: suspected blocks of numbers are told of, listed, let go."""

from collections.abc import Callable, Sequence

from service.domain.audit import Who
from service.domain.errors import NotFound
from service.flows.audit import Audit
from service.store.blocks import BlockStore, Suspect
from service.store.health import OutboxEvent
from service.telemetry import logs, metrics

_log = logs.get("fraud")


class WatchTollFraud:
    """What is suspected is decided where a message is counted (`store/blocks.py`); this is the rest."""

    def __init__(self, blocks: BlockStore, audit: Audit, *, clock: Callable[[], int]) -> None:
        self._blocks = blocks
        self._audit = audit
        self._clock = clock

    def note(self, events: Sequence[OutboxEvent]) -> None:
        """The worker's part: list what became suspect."""
        suspected = [event for event in events if event.type == "fraud.suspected"]
        if suspected:
            self._blocks.note([self._suspect(event) for event in suspected])

    def suspects(self) -> list[Suspect]:
        """The blocks that nothing is sent to now, newest first."""
        return self._blocks.suspects(self._clock())

    def clear(self, block: str, reason: str, who: Who) -> None:
        """It was none: send there again.

        Raises:
            NotFound: this block is not suspected.
        """
        found = next((suspect for suspect in self.suspects() if suspect.block == block), None)
        if found is None:
            raise NotFound("suspect")
        self._blocks.clear(found)
        self._audit.note(who, "fraud.clear", block, reason=reason)

    def _suspect(self, event: OutboxEvent) -> Suspect:
        data = event.data
        metrics.FRAUD_SUSPECTED.labels(data["country"]).inc()
        _log.error("fraud_suspected", route=f"{data['provider']}/{data['channel']}/{data['country']}")
        return Suspect(
            block=data["block"],
            country=data["country"],
            hashed=data["hashed"],
            since=event.at,
            until=self._blocks.until(data["hashed"]),
        )
