"""Outages of other kinds than an error, by a login that is as it was; with a worker, which notices some of them."""

import time

import pytest

from tests.support.stack import running, wait_until
from tests.twilio.conftest import enrolled, number


@pytest.fixture(scope="module")
def stack():
    with running(worker_process=True, OTP_COOL_DOWN="0,0,1", OTP_DELIVERY_DEADLINE="2") as found:
        yield found


def test_operators_who_know_of_an_outage(verify, api, stack):
    to = number(26)
    app, _ = enrolled(api, "gia", to)
    assert api("PUT", "/v1/ops/mode", {"mode": "fallback", "country": "+1", "reason": "x"}).ok
    try:
        assert verify.verifications.create(to=to, channel="sms").channel == "totp"
        assert stack.sandbox.count("send") == 0
        assert verify.verification_checks.create(to=to, code=app.now()).valid
    finally:
        api("POST", "/v1/ops/mode/clear", {"country": "+1", "reason": "x"})


def test_messages_that_are_taken_and_do_not_arrive(verify, api, stack):
    """The login asks nothing and is told by the next answer; what it does is what it did before."""
    to = number(25)
    app, _ = enrolled(api, "fay", to)
    stack.sandbox.fail("not_delivered")
    sent = verify.verifications.create(to=to, channel="sms")
    assert sent.channel == "sms"
    moved = wait_until(lambda: verify.verifications(to).fetch().channel == "totp")
    assert moved
    again = verify.verifications.create(to=to, channel="sms")
    assert (again.sid, again.status) == (sent.sid, "pending")
    right = verify.verification_checks.create(to=to, code=app.now())
    assert (right.status, right.channel) == ("approved", "totp")


def test_a_provider_that_hangs(verify, api, stack):
    to = number(24)
    app, _ = enrolled(api, "eli", to)
    stack.sandbox.fail("hang", operation="all")
    began = time.monotonic()
    assert verify.verifications.create(to=to, channel="sms").channel == "totp"
    assert verify.verification_checks.create(to=to, code="000000").status == "pending"
    assert verify.verification_checks.create(to=to, code=app.now()).status == "approved"
    assert time.monotonic() - began < 8
