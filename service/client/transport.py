"""What both clients have in common: how requests are dressed, and what is made of httpx's answers."""

import random
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from .calls import Handle, Seen
from .exchange import Exchange, Lost, Reply, Send

VERSION = "1"  # of this client, for the service's logs


class Base:
    """The parts of a client that do no I/O."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout: float = 20.0,
        attempt: float = 10.0,
        patience: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """A client.

        Args:
            base_url: the service's address.
            api_key: `otpk_…`; it is sent as a bearer token and shown nowhere.
            timeout: seconds that a call may take, with every try of it.
            attempt: seconds that one try may take.
            patience: the longest `Retry-After` that is waited for, seconds.
            clock: seconds, monotonic.
            now: seconds since the epoch.
            chance: uniform in [0, 1), to spread tries.

        Raises:
            ValueError: the address is none of HTTP, or has a user and a password in it, which would be shown.
        """
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("base_url: expected http(s)://host, without a user and a password")
        self._base_url = base_url.rstrip("/")
        self._headers = {
            "authorization": f"Bearer {api_key}",
            "accept": "application/json",
            "user-agent": f"otp-fallback-python/{VERSION}",
        }
        self._exchange = Exchange(timeout, attempt, patience, clock, now, chance, lambda: uuid.uuid4().hex)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base_url!r})"

    @property
    def client(self) -> Any:
        """Itself: what carries steps out."""
        return self

    @property
    def given(self) -> tuple[Exchange]:
        """What every call begins with."""
        return (self._exchange,)

    def _request(self, send: Send) -> dict[str, Any]:
        """As httpx has it."""
        return {
            "method": send.method,
            "url": self._base_url + send.path,
            "content": send.body,
            "headers": {**self._headers, **send.headers},
            "timeout": send.timeout,
        }


class Part:
    """Some of a client's calls, under a name."""

    def __init__(self, client: Base) -> None:
        self._client = client

    @property
    def client(self) -> Any:
        """What carries steps out."""
        return self._client

    @property
    def given(self) -> tuple[Exchange]:
        """What every call begins with."""
        return self._client.given


class Held(Handle):
    """A challenge that a client gave out."""

    def __init__(self, seen: Seen, client: Base) -> None:
        super().__init__(seen)
        self._client = client

    @property
    def client(self) -> Any:
        """What carries steps out."""
        return self._client

    @property
    def given(self) -> tuple[Exchange, Handle]:
        """What every call begins with."""
        return (*self._client.given, self)


def replied(response: httpx.Response, body: bytes) -> Reply:
    """An answer."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, body)


def lost(error: httpx.RequestError | TimeoutError) -> Lost:
    """No answer: which kind of trouble it was. Its words may quote addresses, so they are left out."""
    return Lost(type(error).__name__)
