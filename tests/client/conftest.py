"""The client, sync and async, against a running service; a cable between them that can be cut."""

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from service.client import AsyncOtpFallback, OtpFallback
from service.client.aio import AsyncChallenge
from service.client.transport import Part
from tests.client.cable import Cable
from tests.support.people import *  # noqa: F403 - fixtures are found by their names here
from tests.support.stack import API_KEY


class Waited:
    """An async thing for tests that are written once: each call is run to its end on one loop."""

    def __init__(self, thing, loop) -> None:
        self.__dict__.update(_thing=thing, _loop=loop)

    def __getattr__(self, name):
        found = getattr(self._thing, name)
        if isinstance(found, Part):
            return Waited(found, self._loop)
        if not inspect.iscoroutinefunction(found):
            return found

        def call(*args, **kwargs):
            result = self._loop.run_until_complete(found(*args, **kwargs))
            return Waited(result, self._loop) if isinstance(result, AsyncChallenge) else result

        return call

    def __repr__(self) -> str:
        return repr(self._thing)


@pytest.fixture(params=["sync", "async"])
def connect(request) -> Iterator:
    """Makes clients of one of the two kinds."""
    made, loop = [], asyncio.new_event_loop()

    def make(url, key=API_KEY, **options):
        if request.param == "sync":
            client = OtpFallback(url, key, **options)
        else:
            client = Waited(AsyncOtpFallback(url, key, **options), loop)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()
    loop.close()


@pytest.fixture
def otp(connect, stack):
    return connect(stack.url)


@pytest.fixture
def cable(stack) -> Iterator[Cable]:
    found = Cable(stack.port)
    yield found
    found.close()
