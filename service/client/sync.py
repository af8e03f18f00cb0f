"""The client for code that waits."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx

from . import calls, proofs
from .calls import Seen
from .exchange import Outcome, Pause, Send, Steps, T
from .methods import sync, sync_of, sync_then
from .transport import Base, Held, Part, lost, replied


class Challenge(Held):
    """A challenge: `verify(code)`, `wait()`, and so on; its properties are as they were at the last look."""

    verify = sync_of(calls.verify)
    resend = sync_of(calls.resend)
    switch = sync_of(calls.switch)
    cancel = sync_of(calls.cancel)
    refresh = sync_of(calls.refresh)
    wait = sync_of(calls.wait)


def _held(part: Part, seen: Seen) -> Challenge:
    return Challenge(seen, part.client)


class Challenges(Part):
    """Ask for a second factor."""

    start = sync_then(calls.start, _held)
    get = sync_then(calls.get, _held)


class Enrollments(Part):
    """Enrol authenticator apps."""

    begin = sync(calls.begin_enrollment)
    confirm = sync(calls.confirm_enrollment)


class Users(Part):
    """What users have."""

    factors = sync(calls.factors)
    remove_factor = sync(calls.remove_factor)
    new_backup_codes = sync(calls.new_backup_codes)
    account_link = sync(calls.account_link)
    set_contacts = sync(calls.set_contacts)
    unlock = sync(calls.unlock)
    forget = sync(calls.forget)


class Ops(Part):
    """Operate; needs a key of the scope `ops`."""

    mode = sync(calls.mode)
    set_mode = sync(calls.set_mode)
    clear_mode = sync(calls.clear_mode)
    health = sync(calls.health)
    readiness = sync(calls.readiness)
    incidents = sync(calls.incidents)
    incident = sync(calls.incident)
    update_incident = sync(calls.update_incident)


class OtpFallback(Base):
    """The service, over HTTP. Threads may share one; close it, or use it in a `with`.

    Arguments as of `Base`, and `transport`, an httpx transport; `sleep`, which pauses for seconds.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        **options: Any,
    ) -> None:
        super().__init__(base_url, api_key, **options)
        self._http = httpx.Client(transport=transport)
        self._sleep = sleep
        self.challenges = Challenges(self)
        self.enrollments = Enrollments(self)
        self.users = Users(self)
        self.ops = Ops(self)

    introspect_proof = sync(calls.introspect_proof)
    verify_proof = sync(proofs.verify_proof)

    def run(self, steps: Steps[T]) -> T:
        """Carry out the steps of a call."""
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            outcome = self._do(step)

    def _do(self, step: Send | Pause) -> Outcome:
        if isinstance(step, Pause):
            self._sleep(step.seconds)
            return None
        until = time.monotonic() + step.timeout
        try:
            with self._http.stream(**self._request(step)) as response:
                return replied(response, _body(response, until))
        except (httpx.RequestError, TimeoutError) as error:
            return lost(error)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _body(response: httpx.Response, until: float) -> bytes:
    """The whole of it by then (monotonic, seconds): httpx bounds each wait, and many may trickle by.

    Raises:
        TimeoutError: it was not there by then.
    """
    parts = []
    for part in response.iter_bytes():
        parts.append(part)
        if time.monotonic() > until:
            raise TimeoutError
    return b"".join(parts)
