"""The worker's loop: claim what is due, hand each to its flow, until told to stop.

Any number of workers may run: a claim is a lease, so what a worker dies with is due again when the lease
is over, and a transition is stored only on top of the state it was decided on.
"""

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import gevent
from gevent.event import Event
from gevent.pool import Pool

from service.app import Services
from service.domain.errors import OtpError, StoreUnavailable
from service.flows.courier import AT_ONCE as AT_ONCE_EACH
from service.flows.webhooks import MOST
from service.telemetry import logs, metrics, traces
from service.worker.probe import Probe

PAUSE = 0.5  # seconds between looks
LEASE = 30_000  # ms; longer than any flow takes
DECIDE_PAUSE = 0.2  # seconds between steps of the deciding worker
MEASURE_PAUSE = 2.0  # seconds between measurements of the backlog
JOBS_PAUSE, JOBS_AT_ONCE = 1.0, 10  # seconds between looks; of each kind under way
MESSAGES_PAUSE = 0.05  # seconds between looks while there are messages to tell
MESSAGES_AT_ONCE = MOST * AT_ONCE_EACH  # so that no slow receiver holds up another one
BATCH = 50  # per partition and look
AT_ONCE = 100  # flows under way: they wait for mail servers

Job = TypeVar("Job")

_log = logs.get("worker")


def run(services: Services) -> None:
    """Work until SIGTERM or SIGINT, then finish what was begun."""
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopping.set)
    probe = _probe(services)
    pool = Pool(AT_ONCE)
    others: list[gevent.Greenlet[..., None]] = [
        gevent.spawn(_decide, services, stopping),
        gevent.spawn(_drain, stopping, services.tell_vendor.claim, services.tell_vendor, "vendor_not_told"),
        gevent.spawn(
            _drain, stopping, services.notify_changes.claim, services.notify_changes, "notice_failed"
        ),
        gevent.spawn(
            *(_drain, stopping, services.tell_webhooks.claim, services.tell_webhooks, "webhook_failed"),
            at_once=MESSAGES_AT_ONCE,
            busy_pause=MESSAGES_PAUSE,
        ),
        gevent.spawn(
            *(_drain, stopping, services.alerts.claim, services.alerts, "alert_failed"),
            at_once=MESSAGES_AT_ONCE,
            busy_pause=MESSAGES_PAUSE,
        ),
        gevent.spawn(_watch_status_page, services, stopping),
        gevent.spawn(_watch_drills, services, stopping),
        gevent.spawn(_measure, services, stopping),
    ]
    _log.info("worker_started")
    while not stopping.wait(PAUSE):
        try:
            due = services.challenges.claim_due(services.core.clock(), lease=LEASE, limit=BATCH)
        except StoreUnavailable:
            _log.warning("store_unavailable")
            continue
        metrics.WORKER_STEP.labels("deadlines").set_to_current_time()
        if probe is not None:
            probe.saw()
        for challenge_id in due:
            pool.spawn(_look_after, services, challenge_id)
    if probe is not None:
        probe.stop()
    pool.join(timeout=10)
    gevent.joinall(others, timeout=2)
    _log.info("worker_stopped")


def _probe(services: Services) -> Probe | None:
    settings = services.core.settings
    if settings.worker_port is None:
        return None
    probe = Probe(settings.host, settings.worker_port)
    try:
        probe.start()
    except OSError as error:
        raise SystemExit(f"otp-fallback: OTP_WORKER_PORT: {error.strerror}") from None
    return probe


def _decide(services: Services, stopping: Event) -> None:
    heed = (
        services.tell_vendor.note,
        services.notify_changes.note,
        services.incidents.note,
        services.tell_webhooks.note,
        services.alerts.note,
        services.toll_fraud.note,
    )
    while not stopping.wait(DECIDE_PAUSE):
        try:
            if services.decide_health.step(heed):
                metrics.WORKER_STEP.labels("health").set_to_current_time()
        except StoreUnavailable:
            stopping.wait(PAUSE)
        except Exception as error:  # noqa: BLE001 - a decision that fails must not end all of them
            _log.error("decision_failed", exc_info=error)
            stopping.wait(PAUSE)


def _drain(
    stopping: Event,
    claim: Callable[[], list[Job]],
    do: Callable[[Job], None],
    failed: str,
    *,
    at_once: int = JOBS_AT_ONCE,
    busy_pause: float = JOBS_PAUSE,
) -> None:
    """Do what is due, some at once; what is not done by the end of its lease is claimed again.

    Args:
        stopping: set when the worker ends.
        claim: takes jobs for a lease.
        do: does one.
        failed: the log's word for one that was not done.
        at_once: how many are done side by side.
        busy_pause: seconds until the next look when there was something to do.
    """
    pool, pause = Pool(at_once), JOBS_PAUSE
    while not stopping.wait(pause):
        pause = JOBS_PAUSE
        try:
            for job in claim():
                pool.spawn(_do, do, job, failed)
                pause = busy_pause
        except StoreUnavailable:
            continue
        except Exception as error:  # noqa: BLE001 - what can't be read now must not end the looking
            _log.error(failed, exc_info=error)


def _do(do: Callable[[Job], None], job: Job, failed: str) -> None:
    try:
        with traces.span(type(do).__name__):
            do(job)
    except OtpError as error:
        _log.info(failed, code=error.code)
    except Exception as error:  # noqa: BLE001 - it is claimed again after the lease
        _log.error(failed, exc_info=error)


def _watch_status_page(services: Services, stopping: Event) -> None:
    if services.status_page is None:
        return
    wait = 0.0
    while not stopping.wait(wait):
        try:
            wait = services.status_page.look() if services.decide_health.decides else PAUSE
        except StoreUnavailable:
            wait = PAUSE


def _watch_drills(services: Services, stopping: Event) -> None:
    while not stopping.wait(PAUSE):
        try:
            services.drills.watch()
        except OtpError as error:
            _log.info("drill_not_watched", code=error.code)
        except Exception as error:  # noqa: BLE001 - such as a record of a newer version; the next look may do
            _log.error("drill_not_watched", exc_info=error)


def _measure(services: Services, stopping: Event) -> None:
    while not stopping.wait(MEASURE_PAUSE):
        with suppress(StoreUnavailable):
            services.measure_backlog()


def _look_after(services: Services, challenge_id: str) -> None:
    try:
        with traces.span("deadline"):
            services.change.deadline_passed(challenge_id)
    except OtpError as error:
        # Ended or changed by somebody else meanwhile, or Redis is away: it is due again after the lease.
        _log.info("deadline_not_handled", challenge=challenge_id, code=error.code)
    except Exception as error:  # noqa: BLE001 - one bad record must not stop the others
        _log.error("deadline_failed", challenge=challenge_id, exc_info=error)
