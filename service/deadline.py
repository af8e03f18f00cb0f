"""A bound on a whole exchange with a provider, or with Redis.

Socket time-outs bound each wait; a peer that sends a byte now and then outlives them for ever. Here the
caller's greenlet is interrupted wherever it waits, so this works in processes that gevent has patched:
the web workers and the worker.
"""

from collections.abc import Callable
from typing import TypeVar

import gevent
from gevent import monkey

T = TypeVar("T")


class DeadlineExceeded(Exception):
    """The exchange did not end in time; what it did at the other side is not known."""


def within(seconds: float, exchange: Callable[[], T]) -> T:
    """Run an exchange for at most `seconds`.

    Raises:
        DeadlineExceeded: it took longer; its connection is closed, not returned to its pool.
    """
    if not monkey.is_module_patched("socket"):
        return exchange()  # a command: it waits with its only thread, which nothing could interrupt
    timer = gevent.Timeout(max(seconds, 0.001))
    timer.start()
    try:
        return exchange()
    except gevent.Timeout as fired:
        if fired is not timer:
            raise
        raise DeadlineExceeded from None
    finally:
        timer.close()
