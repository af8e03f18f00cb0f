"""One call as a sequence of steps, without I/O: what to send, how long to pause, when to give up.

A call is a generator. It yields what is to be done, gets what came of it, and returns the result; a driver
(`sync.py`, `aio.py`) only carries the steps out. So sync and async are the same code.
"""

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec

from .errors import BadAnswer, NoAnswer, refusal

T = TypeVar("T")

FIRST_PAUSE = 0.2  # seconds; it doubles with every try
LONGEST_PAUSE = 3.0
_AGAIN = {502, 503, 504}  # the service, or a proxy before it, can't work just now
_LATER = {409, 429}  # tried again if the answer says when


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request. `timeout`: seconds that may pass without a sign of the other side."""

    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str]
    timeout: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """No answer came."""

    reason: str


Outcome: TypeAlias = Reply | Lost | None
Steps: TypeAlias = Generator[Send | Pause, Outcome, T]


@dataclass(slots=True)
class PublishedKeys:
    """The service's public keys, as they were fetched; times by `Exchange.clock`."""

    keys: list[dict[str, str]] = field(default_factory=list)
    fetched_at: float = float("-inf")
    good_until: float = float("-inf")


@dataclass(frozen=True)
class Exchange:
    """How requests are made.

    Attributes:
        timeout: seconds that a call may take, with every try of it.
        attempt: seconds that one try may take.
        patience: the longest `Retry-After` that is waited for, seconds.
        clock: seconds, monotonic.
        now: seconds since the epoch.
        chance: uniform in [0, 1), to spread tries.
        new_key: a fresh idempotency key.
        published: keys to check proofs with.
    """

    timeout: float
    attempt: float
    patience: float
    clock: Callable[[], float]
    now: Callable[[], float]
    chance: Callable[[], float]
    new_key: Callable[[], str]
    published: PublishedKeys = field(default_factory=PublishedKeys)

    def get(self, path: str, model: type[T]) -> Steps[T]:
        """Read."""
        return decoded((yield from self.reply("GET", path)), model)

    def post(self, path: str, body: Mapping[str, Any], model: type[T], *, key: str | None = None) -> Steps[T]:
        """Do, once."""
        return decoded((yield from self.posted(path, body, key=key)), model)

    def posted(self, path: str, body: Mapping[str, Any], *, key: str | None = None) -> Steps[Reply]:
        """Do, once: every try carries the same `Idempotency-Key`, so that the first one's answer is found."""
        headers = {"idempotency-key": key or self.new_key()}
        return (yield from self.reply("POST", path, body, headers))

    def put(self, path: str, body: Mapping[str, Any], model: type[T], *, repeatable: bool = True) -> Steps[T]:
        """Put; `repeatable`: whether the same again is the same."""
        return decoded((yield from self.reply("PUT", path, body, repeatable=repeatable)), model)

    def delete(self, path: str) -> Steps[None]:
        """Remove. What is gone after a try whose answer was lost was removed by it."""
        yield from self.reply("DELETE", path, gone=True)

    def reply(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        repeatable: bool = True,
        gone: bool = False,
        wait: float = 0,
    ) -> Steps[Reply]:
        """An answer that is no refusal.

        Args:
            method: of HTTP.
            path: with its query.
            body: sent as JSON.
            headers: further ones.
            repeatable: whether it may be tried again.
            gone: that it is not there is as good, after a try whose answer was lost.
            wait: seconds that the service was asked to hold the request.

        Raises:
            NoAnswer: none came within the time.
            Refused: by the service.
        """
        raw = None if body is None else json.dumps(body).encode()
        kind = {} if raw is None else {"content-type": "application/json"}
        send = Send(method, path, raw, {**kind, **(headers or {})}, 0)
        until = self.clock() + self.timeout + wait
        tries, lost = 0, False
        while True:
            left = max(0.001, until - self.clock())
            outcome = yield replace(send, timeout=min(self.attempt + wait, left))
            tries += 1
            lost = lost or isinstance(outcome, Lost)
            if isinstance(outcome, Reply) and (
                outcome.status < 400 or (outcome.status == 404 and gone and lost)
            ):
                return outcome
            pause = self._pause(outcome, tries) if repeatable else None
            if pause is None or self.clock() + pause >= until:
                raise _error(outcome, tries)
            yield Pause(pause)

    def _pause(self, outcome: Outcome, tries: int) -> float | None:
        """Seconds until the next try; `None`: it would be no use."""
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries - 1, 10))
        backoff = longest * (1 + self.chance()) / 2  # many that lost one service don't come back together
        if not isinstance(outcome, Reply):
            return backoff
        asked = _retry_after(outcome)
        if outcome.status in _AGAIN and _problem(outcome).get("code") != "check_unavailable":
            # Some seconds, if anything, are asked for; most outages of a process are shorter.
            return backoff if asked is None else min(asked, LONGEST_PAUSE) * self.chance() + backoff
        if outcome.status in _LATER and asked is not None and asked <= self.patience:
            return asked + backoff
        return None


def path_of(*parts: str) -> str:
    """A path below `/v1`, each part whatever it holds."""
    return "/v1" + "".join(f"/{_escaped(part)}" for part in parts)


def given(**members: Any) -> dict[str, Any]:
    """What was given: the rest is left out of the request."""
    return {name: value for name, value in members.items() if value is not None}


def decoded(reply: Reply, model: type[T]) -> T:
    """The body of an answer. Raises `BadAnswer`."""
    try:
        return msgspec.json.decode(reply.body, type=model)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadAnswer(f"{reply.status} with a body that is no {model.__name__}: {error}") from None


def _escaped(part: str) -> str:
    text = quote(part, safe="")
    return text.replace(".", "%2E") if not text.strip(".") else text  # dots alone would be a way upwards


def _error(outcome: Outcome, tries: int) -> Exception:
    if isinstance(outcome, Reply):
        return refusal(outcome.status, _problem(outcome), _retry_after(outcome))
    reason = outcome.reason if outcome is not None else "nothing"
    return NoAnswer(f"No answer in {tries} tries: {reason}")


def _problem(reply: Reply) -> dict[str, Any]:
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"code": "unknown", "detail": f"HTTP {reply.status}"}


def _retry_after(reply: Reply) -> float | None:
    text = reply.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
