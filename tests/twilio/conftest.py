"""A running service, and Twilio's own Python SDK with nothing but its base URL changed."""

import json

import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.rest import Client

from tests.support.commands import otp_fallback
from tests.support.stack import ACCOUNT, API_KEY, SERVICE, running


@pytest.fixture(scope="module")
def stack():
    with running(OTP_COOL_DOWN="0,0,1") as found:
        yield found


@pytest.fixture
def api(stack):
    stack.sandbox.reset()
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
