"""The client does what the API does, in both kinds."""

import threading
import time

import pyotp
import pytest

from service.client import (
    ChallengeOver,
    CheckUnavailable,
    Conflict,
    InvalidRequest,
    LimitReached,
    NotAllowed,
    NotFound,
    models,
)
from tests.support.stack import API_KEY


@pytest.fixture
def enrolled(otp, person):
    """Somebody with an app; its confirming code is of an earlier step."""
    begun = otp.enrollments.begin(person.id, device_name="phone")
    app = pyotp.TOTP(begun.secret)
    try:
        done = otp.enrollments.confirm(begun.id, app.at(time.time() - 30))
    except InvalidRequest:  # a step began on the way
        done = otp.enrollments.confirm(begun.id, app.at(time.time() - 30))
    assert done.factor.device_name == "phone"
    assert len(done.backup_codes) == 10
    return app, done.backup_codes


def test_a_login(otp, person, sandbox):
    challenge = otp.challenges.start(
        person.id, phone=person.phone, locale="de", action="login", metadata={"cart": "7"}
    )
    assert (challenge.status, challenge.channel, challenge.accepts) == ("pending", "sms", ("sms",))
    assert challenge.prompt.to.endswith(person.phone[-4:])
    wrong = challenge.verify("0000000")
    assert (wrong.valid, challenge.attempts_remaining) == (False, 4)
    right = challenge.verify(sandbox.code(person.phone), channel="sms")
    assert right.valid
    assert challenge.is_approved
    assert not challenge.is_pending
    assert challenge.proof == right.proof
    assert challenge.state.metadata == {"cart": "7"}
    said = otp.introspect_proof(right.proof, use_once=True)
    assert (said.active, said.user_id, said.challenge_id) == (True, person.id, challenge.id)
    assert otp.introspect_proof(right.proof) == models.Introspection(active=False)
    with pytest.raises(ChallengeOver) as caught:
        challenge.verify("1")
    assert (caught.value.status, caught.value.code) == (409, "challenge_approved")
    assert caught.value.request_id


def test_a_login_through_an_outage(otp, person, sandbox, enrolled):
    app, _ = enrolled
    sandbox.fail("http_500")
    challenge = otp.challenges.start(person.id, phone=person.phone)
    assert challenge.channel == "totp"
    assert challenge.prompt == models.ChannelState(channel="totp", state="ready")
    assert challenge.state.switches[0].source == "sms"
    assert challenge.notice.message
    assert challenge.verify(app.now()).valid
    assert otp.verify_proof(challenge.proof, challenge_id=challenge.id, user_id=person.id).channel == "totp"


def test_the_check_is_not_asked_again_while_it_is_down(otp, person, sandbox, enrolled):
    """Waiting for it would hold the user up, who could answer in another way."""
    _, codes = enrolled
    challenge = otp.challenges.start(person.id, phone=person.phone)
    sandbox.fail("http_500", operation="check")
    with pytest.raises(CheckUnavailable) as caught:
        challenge.verify("123456", channel="sms")
    assert "backup_code" in caught.value.accepts
    assert sandbox.count("check") == 1
    assert challenge.verify(codes[0]).valid


def test_resend_switch_cancel(otp, person, sandbox):
    challenge = otp.challenges.start(person.id, phone=person.phone, email=person.email)
    with pytest.raises(LimitReached) as caught:
        challenge.resend()
    assert caught.value.code == "resend_too_soon"
    assert 25 < caught.value.retry_after <= 30
    challenge.switch()
    assert challenge.channel == "email"
    challenge.switch("sms")
    assert challenge.channel == "sms"
    assert set(challenge.accepts) == {"sms", "email"}
    challenge.cancel()
    assert challenge.status == "canceled"
    with pytest.raises(ChallengeOver):
        challenge.switch()


def test_wait_sees_what_another_does(otp, person, api):
    challenge = otp.challenges.start(person.id, phone=person.phone)
    assert challenge.wait(0.5) is False
    # In whatever order the two come: what changed since the last look is seen.
    thread = threading.Thread(target=api, args=("POST", f"/v1/challenges/{challenge.id}/cancel"))
    thread.start()
    began = time.monotonic()
    assert challenge.wait(20) is True
    assert time.monotonic() - began < 10
    thread.join()
    assert challenge.status == "canceled"
    assert challenge.wait(20) is False, "there is nothing to wait for"


def test_wait_after_a_wrong_code(otp, person, api):
    """A verdict has no mark; the next look finds out what it is compared with."""
    challenge = otp.challenges.start(person.id, phone=person.phone)
    challenge.verify("0000000")
    assert challenge.wait(1) is False
    api("POST", f"/v1/challenges/{challenge.id}/cancel")
    assert challenge.wait(10) is True


def test_a_challenge_of_another_process(otp, person, connect, stack):
    first = otp.challenges.start(person.id, phone=person.phone)
    again = connect(stack.url).challenges.get(first.id)
    assert again.state == first.state
    again.cancel()
    first.refresh()
    assert first.status == "canceled"


def test_a_page_keeps_its_address(otp, person, stack):
    challenge = otp.challenges.start(person.id, phone=person.phone, return_url="http://127.0.0.1:1/done")
    url = challenge.state.challenge_url
    assert url.startswith(stack.url)
    challenge.refresh()
    assert challenge.state.challenge_url == url


@pytest.mark.parametrize("user", ["a/b/../c", "..", ".", "ä ö ü", "%2F", "x?y=1#z", "a//b", "a;b&c"])
def test_a_user_may_have_any_id(otp, user, enrolled):
    otp.users.set_contacts(user, email="box@mail.example")
    found = otp.users.factors(user)
    assert found.contacts == models.Contacts(email="b***@mail.example")
    otp.users.forget(user)
    assert otp.users.factors(user).contacts.email is None


def test_users(otp, person, enrolled):
    found = otp.users.factors(person.id)
    assert found.backup_codes.remaining == 10
    (factor,) = found.factors
    otp.users.set_contacts(person.id, phone=person.phone, email=person.email)
    kept = otp.users.set_contacts(person.id, email=None)
    assert kept.phone
    assert kept.email is None
    assert len(otp.users.new_backup_codes(person.id).backup_codes) == 10
    assert otp.users.account_link(person.id).account_url.startswith("http")
    otp.challenges.start(person.id).verify("000000")
    assert otp.users.unlock(person.id, "knows her").failures == 1
    otp.users.remove_factor(person.id, factor.id)
    assert otp.users.factors(person.id).factors == ()
    with pytest.raises(NotFound) as caught:
        otp.users.remove_factor(person.id, factor.id)
    assert caught.value.code == "factor_not_found"


def test_ops(otp):
    setting = otp.ops.set_mode("fallback", reason="drill", country="+91", expires_in=60)
    assert (setting.mode, setting.country) == ("fallback", "+91")
    with pytest.raises(Conflict) as caught:
        otp.ops.set_mode("auto", reason="late", country="+91", version=setting.version - 1)
    assert caught.value.extra["version"] == setting.version
    assert otp.ops.mode().settings[0].reason == "drill"
    assert otp.ops.clear_mode(reason="over", country="+91").settings == ()
    assert otp.ops.readiness().users >= 0
    assert otp.ops.health().routes is not None
    assert otp.ops.incidents(open_only=True, limit=5).incidents == ()
    with pytest.raises(NotFound):
        otp.ops.incident("inc_none")


def test_errors_are_told_apart(otp, connect, stack, cli):
    with pytest.raises(InvalidRequest) as caught:
        otp.challenges.start("x", phone="nonsense")
    assert caught.value.faults[0][0] == "phone"
    with pytest.raises(InvalidRequest) as caught:
        otp.challenges.start("")
    assert (caught.value.status, caught.value.code) == (422, "invalid_request")
    with pytest.raises(NotFound) as missing:
        otp.challenges.get("ch_00AAAAAAAAAAAAAAAAAAAAAA")
    assert missing.value.code == "challenge_not_found"
    with pytest.raises(NotAllowed) as caught:
        connect(stack.url, "otpk_wrong").ops.mode()
    assert caught.value.status == 401
    made = cli("keys", "create", "--name", "x", "--scope", "enrollments", "--json")
    with pytest.raises(NotAllowed) as caught:
        connect(stack.url, made["key"]).ops.mode()
    assert (caught.value.status, caught.value.code) == (403, "scope_missing")


def test_nothing_secret_is_shown(otp, connect, stack, person, enrolled):
    app, _ = enrolled
    challenge = otp.challenges.start(person.id, return_url="http://127.0.0.1:1/x")
    verdict = challenge.verify(app.now())
    begun = otp.enrollments.begin(person.id)
    shown = " ".join(
        map(repr, (otp, challenge, challenge.state, verdict, begun, otp.users.account_link(person.id)))
    )
    secrets = {API_KEY, verdict.proof, challenge.state.challenge_url, begun.secret, begun.enrollment_url}
    assert [secret for secret in secrets if secret in shown] == []
    renewed = otp.users.new_backup_codes(person.id)
    assert not any(code in repr(renewed) for code in renewed.backup_codes)
    with pytest.raises(NotAllowed) as caught:
        connect(stack.url, "otpk_wrong-but-secret").users.factors(person.id)
    told = f"{caught.value!r} {caught.value} {vars(caught.value)}"
    assert "wrong-but-secret" not in told
    assert person.id not in told
