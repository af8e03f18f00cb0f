"""A running service with a worker, and somebody at its console."""

import re

import pytest
import requests

from tests.support.browser import *  # noqa: F403 - fixtures are found by their names here
from tests.support.people import *  # noqa: F403
from tests.support.stack import API_KEY, wait_until


@pytest.fixture(scope="module")
def options():
    return {
        "worker_process": True,
        "OTP_DELIVERY_DEADLINE": "600",
        "OTP_CHANGE_NOTICES": "false",
        "OTP_TRUSTED_PROXIES": "127.0.0.1",
    }


@pytest.fixture(autouse=True)
def watched_over(request):
    """There is a worker that decides, where a test has a service."""
    if "stack" in request.fixturenames:
        api = request.getfixturevalue("api")
        wait_until(lambda: api("GET", "/v1/ops/health").json()["deciding"])


class Desk:
    """A browser without JavaScript at the console."""

    def __init__(self, url):
        self.url = url
        self.session = requests.Session()

    def get(self, path="", **kwargs):
        return self.session.get(f"{self.url}/console{path}", timeout=20, **kwargs)

    def post(self, path, **fields):
        return self.session.post(f"{self.url}/console{path}", data=fields, timeout=20)

    def sign_in(self, key=API_KEY):
        return self.post("/sign-in", key=key)

    def token(self):
        return re.search(r'name="form_token" value="([^"]+)"', self.get().text)[1]

    def send(self, path, **fields):
        return self.post(path, form_token=self.token(), **fields)


@pytest.fixture
def desk(stack):
    """Makes somebody who is not signed in yet."""
    return lambda: Desk(stack.url)


@pytest.fixture
def signed_in(desk, stack):
    for name in stack.redis().scan_iter("otp:*:s:t*", count=10_000):
        stack.redis().delete(name)  # every test signs in, and all from one address
    made = desk()
    assert made.sign_in().status_code == 200
    return made
