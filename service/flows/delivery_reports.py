"""Delivery reports: a message that did not arrive switches its challenge and counts against its route."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from service.domain.channels import Channel
from service.domain.contacts import Phone
from service.domain.events import Event
from service.domain.toll_fraud import block_of
from service.flows.change import ChangeChallenge
from service.providers.twilio_errors import DAY, UNREACHABLE
from service.store.numbers import NumberStore
from service.store.users import UserStore
from service.telemetry import logs, metrics

_log = logs.get("reports")


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider says of one message.

    Attributes:
        id: the report's own, the same when it comes again.
        carrier: mobile country and network code, `404-10`.
        error_code: the provider's; why it was not delivered.
        at: ms.
    """

    id: str
    channel: Channel
    status: Literal["sent", "delivered", "read", "undelivered", "failed"]
    phone: Phone
    verification: str
    carrier: str | None
    error_code: str | None
    at: int


class HeedReports:
    """Takes delivery reports. Each counts once, however often it comes."""

    def __init__(
        self,
        numbers: NumberStore,
        users: UserStore,
        change: ChangeChallenge,
        *,
        clock: Callable[[], int],
    ) -> None:
        self._numbers = numbers
        self._users = users
        self._change = change
        self._clock = clock

    def __call__(self, report: Report) -> None:
        """Take one report.

        Raises:
            StateConflict: others kept changing a challenge; the report is to be sent again.
            StoreUnavailable: likewise.
        """
        number = self._users.number_key(report.phone.e164)
        sent_at = report.at
        failed = report.status in ("undelivered", "failed")
        if failed:
            # The switch comes before the mark: what is interrupted in between is done when it comes again.
            for challenge_id in self._numbers.sharers(number, report.verification):
                known = self._change.delivery_failed(challenge_id, report.channel, report.verification)
                sent_at = known or sent_at
            if report.error_code is not None and report.error_code in UNREACHABLE:
                self._numbers.remember_undeliverable(number, report.channel, report.error_code, DAY)
        told = {
            "channel": report.channel,
            "country": report.phone.calling_code,
            "carrier": report.carrier,
            "status": report.status,
            "code": report.error_code,
            "sent_at": sent_at,
        }
        block = self._users.block_key(block_of(report.phone))
        event = Event("provider.delivery_report", self._clock(), {**told, "block": block})
        if self._numbers.report(number, report.id, report.carrier, event):
            metrics.DELIVERY_REPORTS.labels(report.channel, report.status, report.error_code or "-").inc()
            if failed:
                _log.warning("not_delivered", **told)
