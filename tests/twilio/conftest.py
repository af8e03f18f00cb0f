"""A running service, and Twilio's own Python SDK with nothing but its base URL changed."""

import json

import pytest
import requests
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.support.commands import otp_fallback
from tests.support.stack import ACCOUNT, API_KEY, SERVICE, running

BASE = f"/v2/Services/{SERVICE}"
AUTH = (ACCOUNT, API_KEY)


@pytest.fixture(scope="session")
def shared():
    with running(OTP_COOL_DOWN="0,0,1") as found:
        yield found


@pytest.fixture(scope="module")
def stack(shared):
    return shared


@pytest.fixture
def api(stack):
    """Each test begins with a provider that nothing is known against."""
    stack.sandbox.reset()
    client = stack.redis()
    for name in client.scan_iter("otp:{health}*"):
        client.delete(name)
    return stack.api


def connected(url, account=ACCOUNT, key=API_KEY, service=SERVICE):
    client = Client(account, key, account_sid=ACCOUNT)
    client.verify.base_url = url
    return client.verify.v2.services(service)


@pytest.fixture
def verify(api, stack):
    """As an application has it that uses Twilio Verify today."""
    return connected(stack.url)


def new_key(stack, *words):
    """A key, by the command."""
    made = otp_fallback(stack.env, "keys", "create", "--name", "x", *words, "--json", check=True)
    return json.loads(made.stdout)


def refusal(call, *args, **kwargs):
    """What the SDK raises."""
    with pytest.raises(TwilioRestException) as caught:
        call(*args, **kwargs)
    return caught.value


def number(of):
    """A phone number of one test's own."""
    return f"+1415555{of:04d}"


def post(stack, path, auth=AUTH, **form):
    return requests.post(f"{stack.url}{BASE}{path}", data=form, auth=auth, timeout=20)


def get(stack, path):
    return requests.get(f"{stack.url}{BASE}{path}", auth=AUTH, timeout=20)


def enrolled(api, user, to, email=None):
    app, codes = api.enroll(user)
    contacts = {"phone": to, "email": email or f"{user}@example.com"}
    assert api("PUT", f"/v1/users/{user}/contacts", contacts).ok
    return app, codes
