"""The worker's loop: claim what is due, hand each to its flow, until told to stop.

Any number of workers may run: a claim is a lease, so what a worker dies with is due again when the lease
is over, and a transition is stored only on top of the state it was decided on.
"""

import signal

import gevent
from gevent.event import Event
from gevent.pool import Pool

from service.app import Services
from service.domain.errors import OtpError, StoreUnavailable
from service.store.notices import DueNotice
from service.telemetry import logs

PAUSE = 0.5  # seconds between looks
LEASE = 30_000  # ms; longer than any flow takes
DECIDE_PAUSE = 0.2  # seconds between steps of the deciding worker
VENDOR_PAUSE, VENDOR_AT_ONCE = 1.0, 10  # seconds between looks; calls under way
NOTICE_PAUSE = 1.0  # seconds between looks
BATCH = 50  # per partition and look
AT_ONCE = 100  # flows under way: they wait for mail servers

_log = logs.get("worker")


def run(services: Services) -> None:
    """Work until SIGTERM or SIGINT, then finish what was begun."""
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopping.set)
    pool = Pool(AT_ONCE)
    others = [
        gevent.spawn(_decide, services, stopping),
        gevent.spawn(_tell_vendor, services, stopping),
        gevent.spawn(_notify, services, stopping),
        gevent.spawn(_watch_status_page, services, stopping),
    ]
    _log.info("worker_started")
    while not stopping.wait(PAUSE):
        try:
            due = services.challenges.claim_due(services.core.clock(), lease=LEASE, limit=BATCH)
        except StoreUnavailable:
            _log.warning("store_unavailable")
            continue
        for challenge_id in due:
            pool.spawn(_look_after, services, challenge_id)
    pool.join(timeout=10)
    gevent.joinall(others, timeout=2)
    _log.info("worker_stopped")


def _decide(services: Services, stopping: Event) -> None:
    heed = (services.tell_vendor.note, services.notify_changes.note, services.incidents.note)
    while not stopping.wait(DECIDE_PAUSE):
        try:
            services.decide_health.step(heed)
        except StoreUnavailable:
            stopping.wait(PAUSE)
        except Exception as error:  # noqa: BLE001 - a decision that fails must not end all of them
            _log.error("decision_failed", exc_info=error)
            stopping.wait(PAUSE)


def _tell_vendor(services: Services, stopping: Event) -> None:
    pool = Pool(VENDOR_AT_ONCE)
    while not stopping.wait(VENDOR_PAUSE):
        try:
            for challenge_id in services.tell_vendor.claim():
                pool.spawn(_tell, services, challenge_id)
        except StoreUnavailable:
            continue


def _tell(services: Services, challenge_id: str) -> None:
    try:
        services.tell_vendor(challenge_id)
    except OtpError as error:
        _log.info("vendor_not_told", challenge=challenge_id, code=error.code)
    except Exception as error:  # noqa: BLE001 - it is claimed again after the lease
        _log.error("vendor_failed", challenge=challenge_id, exc_info=error)


def _notify(services: Services, stopping: Event) -> None:
    while not stopping.wait(NOTICE_PAUSE):
        try:
            for notice in services.notify_changes.claim():
                _notify_one(services, notice)
        except StoreUnavailable:
            continue


def _notify_one(services: Services, notice: DueNotice) -> None:
    try:
        services.notify_changes(notice)
    except OtpError as error:
        _log.info("user_not_notified", user=notice.user, code=error.code)
    except Exception as error:  # noqa: BLE001 - it is claimed again after the lease
        _log.error("notice_failed", user=notice.user, exc_info=error)


def _watch_status_page(services: Services, stopping: Event) -> None:
    if services.status_page is None:
        return
    wait = 0.0
    while not stopping.wait(wait):
        try:
            wait = services.status_page.look() if services.decide_health.decides else PAUSE
        except StoreUnavailable:
            wait = PAUSE


def _look_after(services: Services, challenge_id: str) -> None:
    try:
        services.change.deadline_passed(challenge_id)
    except OtpError as error:
        # Ended or changed by somebody else meanwhile, or Redis is away: it is due again after the lease.
        _log.info("deadline_not_handled", challenge=challenge_id, code=error.code)
    except Exception as error:  # noqa: BLE001 - one bad record must not stop the others
        _log.error("deadline_failed", challenge=challenge_id, exc_info=error)
