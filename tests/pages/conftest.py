"""A real Chromium on a running service, and a shop that sends its users there."""

from collections.abc import Iterator

import pytest

from tests.support.browser import *  # noqa: F403 - fixtures are found by their names here
from tests.support.people import *  # noqa: F403
from tests.support.shop import Shop
from tests.support.visitor import Visitor


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Shop() as running:
        yield running


@pytest.fixture(scope="module")
def options(shop) -> dict:
    return {"worker_process": True, "OTP_RETURN_URLS": shop.url, "OTP_DELIVERY_DEADLINE": "600"}


@pytest.fixture
def visitor(stack) -> Visitor:
    return Visitor(stack.url)
