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
from service.telemetry import logs

PAUSE = 0.5  # seconds between looks
LEASE = 30_000  # ms; longer than any flow takes
BATCH = 50  # per partition and look
AT_ONCE = 100  # flows under way: they wait for mail servers

_log = logs.get("worker")


def run(services: Services) -> None:
    """Work until SIGTERM or SIGINT, then finish what was begun."""
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopping.set)
    pool = Pool(AT_ONCE)
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
    _log.info("worker_stopped")


def _look_after(services: Services, challenge_id: str) -> None:
    try:
        services.change.deadline_passed(challenge_id)
    except OtpError as error:
        # Ended or changed by somebody else meanwhile, or Redis is away: it is due again after the lease.
        _log.info("deadline_not_handled", challenge=challenge_id, code=error.code)
    except Exception as error:  # noqa: BLE001 - one bad record must not stop the others
        _log.error("deadline_failed", challenge=challenge_id, exc_info=error)
