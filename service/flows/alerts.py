"""Alerting operators, through the queue that webhooks have: what does not take an alert now gets it later."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from service.domain.alerts import (
    FRAUD_GUARD,
    HOURLY,
    UPDATE_EVERY,
    Alert,
    account_alert,
    comes_hourly,
    drill_alert,
    fraud_alert,
    incident_alert,
    is_worth_it,
    mode_alert,
    topic,
)
from service.domain.errors import NotFound
from service.domain.events import told
from service.domain.mode import Mode
from service.domain.webhooks import Message
from service.flows.courier import Courier, Delivered, Failed, Later, Needless, Outcome
from service.flows.incidents import TrackIncidents
from service.flows.mode import SetMode
from service.providers.alerts import AlertTarget
from service.store.health import OutboxEvent
from service.store.hook_queue import Claimed, HookQueue, Queued
from service.telemetry import metrics

READER = "alerts"


class AlertJob(NamedTuple):
    """A lane to tell a target of."""

    target: AlertTarget
    claimed: Claimed


class SendAlerts:
    """Queues alerts, and sends them; the worker's part.

    What an incident's alert says is written when it is sent, so that one that comes late says how things are
    then, and one that stands for several says it once.
    """

    def __init__(
        self,
        targets: Mapping[str, AlertTarget],
        queue: HookQueue,
        incidents: TrackIncidents,
        modes: SetMode,
        *,
        runbooks: str | None,
        clock: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        """The alerts of one installation.

        Args:
            targets: where they go, by the names that their queues have.
            queue: where they wait.
            incidents: what they tell of.
            modes: likewise.
            runbooks: the address below which runbooks are.
            clock: ms.
            chance: from [0, 1); spreads the tries.
        """
        self._targets = targets
        self._queue = queue
        self._incidents = incidents
        self._modes = modes
        self._runbooks = runbooks
        self._clock = clock
        self._courier = Courier(READER, queue, metrics.ALERTS, clock=clock, chance=chance)

    def note(self, events: Sequence[OutboxEvent]) -> None:
        """Queue what operators are to be told."""
        if self._targets:
            worth = [event for event in events if is_worth_it(event.type, event.data)]
            self._courier.queue([one for event in worth for one in self._queued(event)])

    def claim(self) -> list[AlertJob]:
        """Alerts to send now."""
        return [AlertJob(self._targets[c.receiver], c) for c in self._courier.claim(self._targets)]

    def __call__(self, job: AlertJob) -> None:
        """Send what waits in a lane."""
        self._courier.carry(job.claimed, lambda message: self._tell(job, message))

    def _queued(self, event: OutboxEvent) -> list[Queued]:
        message = Message(
            f"msg_{event.partition}_{event.entry}",
            event.type,
            event.at,
            told(event.type, event.data) or {},
        )
        lane, hourly = topic(event.type, event.data), comes_hourly(event.type)
        return [
            Queued(
                receiver,
                lane,
                message,
                event.partition,
                event.entry,
                hurry=event.type == "incident.resolved",
                once=lane if hourly else "",
                once_until=self._clock() + HOURLY if hourly else 0,
            )
            for receiver in self._targets
        ]

    def _tell(self, job: AlertJob, message: Message) -> Outcome:
        match message.type.partition(".")[0]:
            case "incident":
                return self._tell_incident(job, message)
            case "mode":
                alert = mode_alert(message.data, message.at, base=self._runbooks)
            case "drill":
                alert = drill_alert(message.data, message.at, base=self._runbooks)
            case "fraud":
                alert = fraud_alert(message.data, message.at, base=self._runbooks)
            case _:
                said = fraud_alert if message.data["code"] == FRAUD_GUARD else account_alert
                alert = said(message.data, message.at, base=self._runbooks)
        return _sent(job.target, alert)

    def _tell_incident(self, job: AlertJob, message: Message) -> Outcome:
        receiver, lane, now = job.claimed.receiver, job.claimed.lane, self._clock()
        told_at, updated_at = self._queue.told_at(receiver, [lane, f"{lane} updated"])
        try:
            incident = self._incidents.get(lane)
        except NotFound:
            return Needless()
        if message.type == "incident.updated":
            if incident.resolved_at or (told_at is not None and message.at < told_at):
                return Needless()  # what follows says it, or what was sent did
            if updated_at is not None and now < updated_at + UPDATE_EVERY:
                return Later(updated_at + UPDATE_EVERY)
        everybody, _ = self._modes.current()
        alert = incident_alert(
            message.type,
            incident,
            now,
            mode=everybody.mode if everybody else Mode.AUTO,
            base=self._runbooks,
            told_at=told_at,
        )
        outcome = _sent(job.target, alert)
        if isinstance(outcome, Delivered):
            over = message.type == "incident.resolved"
            updated = now if message.type == "incident.updated" else updated_at
            self._queue.note_told(
                receiver, {lane: None if over else now, f"{lane} updated": None if over else updated}
            )
        return outcome


def _sent(target: AlertTarget, alert: Alert) -> Outcome:
    failure = target.send(alert)
    return Delivered("sent") if failure is None else Failed(failure)
