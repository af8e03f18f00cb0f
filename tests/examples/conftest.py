"""A running service, and the example applications beside it, as their readers run them."""

import contextlib
import os
from pathlib import Path

import pytest
import requests

from tests.support.browser import *  # noqa: F403 - fixtures are found by their names here
from tests.support.people import *  # noqa: F403
from tests.support.stack import API_KEY, Process, free_port, wait_until


@pytest.fixture(scope="module")
def options() -> dict:
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "600", "OTP_COOL_DOWN": "0"}


@pytest.fixture
def began(running_stack, tmp_path):
    """Starts an example's process; its address, once it answers."""
    started = []

    def begin(folder: Path, command: list[str]) -> str:
        port = free_port()
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "OTP_URL": running_stack.url,
            "OTP_API_KEY": API_KEY,
        }
        words = [word.format(port=port) for word in command]
        process = Process(f"example-{len(started)}", words, env, tmp_path)
        started.append(process)
        process.start()
        url = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: requests.get(url, timeout=2).status_code < 500, 30)
        except AssertionError:
            raise AssertionError(process.text()) from None
        return url

    yield begin
    for process in started:
        with contextlib.suppress(Exception):
            process.kill()
