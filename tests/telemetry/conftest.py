"""The fixtures of a running service, whose processes share their metrics as under `serve`."""

import pytest
import requests

from tests.support.people import *  # noqa: F403 - fixtures are found by their names here


@pytest.fixture(scope="module")
def shared_metrics(tmp_path_factory) -> dict[str, str]:
    """What makes the processes share them."""
    return {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path_factory.mktemp("metrics"))}


@pytest.fixture(scope="module")
def options(shared_metrics) -> dict:
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "1", **shared_metrics}


@pytest.fixture
def scrape(stack):
    """What Prometheus gets."""
    return lambda: requests.get(f"{stack.url}/metrics", timeout=5).text
