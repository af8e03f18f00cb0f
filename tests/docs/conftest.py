"""A running service, with somebody in it whom the texts speak of."""

import pytest

from tests.support.browser import *  # noqa: F403 - fixtures are found by their names here
from tests.support.people import *  # noqa: F403


@pytest.fixture(scope="module")
def options() -> dict:
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "600", "OTP_PRIVATE_HOOKS": "127.0.0.1"}
