"""The client for asyncio."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import httpx

from . import calls, proofs
from .calls import Seen
from .exchange import Outcome, Pause, Send, Steps, T
from .methods import awaited, awaited_of, awaited_then
from .transport import Base, Held, Part, lost, replied


class AsyncChallenge(Held):
    """A challenge: `verify(code)`, `wait()`, and so on; its properties are as they were at the last look."""

    verify = awaited_of(calls.verify)
    resend = awaited_of(calls.resend)
    switch = awaited_of(calls.switch)
    cancel = awaited_of(calls.cancel)
    refresh = awaited_of(calls.refresh)
    wait = awaited_of(calls.wait)


def _held(part: Part, seen: Seen) -> AsyncChallenge:
    return AsyncChallenge(seen, part.client)


class AsyncChallenges(Part):
    """Ask for a second factor."""

    start = awaited_then(calls.start, _held)
    get = awaited_then(calls.get, _held)


class AsyncEnrollments(Part):
    """Enrol authenticator apps."""

    begin = awaited(calls.begin_enrollment)
    confirm = awaited(calls.confirm_enrollment)


class AsyncUsers(Part):
    """What users have."""

    factors = awaited(calls.factors)
    remove_factor = awaited(calls.remove_factor)
    new_backup_codes = awaited(calls.new_backup_codes)
    account_link = awaited(calls.account_link)
    set_contacts = awaited(calls.set_contacts)
    unlock = awaited(calls.unlock)
    forget = awaited(calls.forget)


class AsyncOps(Part):
    """Operate; needs a key of the scope `ops`."""

    mode = awaited(calls.mode)
    set_mode = awaited(calls.set_mode)
    clear_mode = awaited(calls.clear_mode)
    health = awaited(calls.health)
    readiness = awaited(calls.readiness)
    incidents = awaited(calls.incidents)
    incident = awaited(calls.incident)
    update_incident = awaited(calls.update_incident)


class AsyncOtpFallback(Base):
    """The service, over HTTP. Tasks of one loop may share one; close it, or use it in an `async with`.

    Arguments as of `Base`, and `transport`, an httpx transport; `sleep`, which pauses for seconds.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        **options: Any,
    ) -> None:
        super().__init__(base_url, api_key, **options)
        self._http = httpx.AsyncClient(transport=transport)
        self._sleep = sleep
        self.challenges = AsyncChallenges(self)
        self.enrollments = AsyncEnrollments(self)
        self.users = AsyncUsers(self)
        self.ops = AsyncOps(self)

    introspect_proof = awaited(calls.introspect_proof)
    verify_proof = awaited(proofs.verify_proof)

    async def run(self, steps: Steps[T]) -> T:
        """Carry out the steps of a call."""
        outcome: Outcome = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            outcome = await self._do(step)

    async def _do(self, step: Send | Pause) -> Outcome:
        if isinstance(step, Pause):
            await self._sleep(step.seconds)
            return None
        try:
            async with asyncio.timeout(step.timeout):  # httpx bounds each wait, and many may trickle by
                response = await self._http.request(**self._request(step))
            return replied(response, response.content)
        except (httpx.RequestError, TimeoutError) as error:
            return lost(error)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
