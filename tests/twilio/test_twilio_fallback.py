"""Who gets in when SMS does not work, by a login that is as it was; and whose number it is."""

import pytest

from tests.twilio.conftest import enrolled, number, refusal

# Who gets in when SMS does not work


def login(verify, to, code):
    """What an application does today, and goes on doing."""
    verify.verifications.create(to=to, channel="sms")
    return verify.verification_checks.create(to=to, code=code()).status == "approved"


def test_an_outage_in_which_unchanged_code_lets_users_in(verify, api, stack):
    to = number(20)
    app, codes = enrolled(api, "ann", to)
    stack.sandbox.fail("http_503", operation="all")
    sent = verify.verifications.create(to=to, channel="sms")
    assert (sent.status, sent.channel) == ("pending", "totp")
    assert verify.verification_checks.create(to=to, code=app.now()).status == "approved"
    assert login(verify, to, lambda: codes[0])
    assert not login(verify, to, lambda: codes[0])  # once


def test_an_outage_for_who_has_an_address(verify, api, stack):
    to, email = number(21), "bea@example.com"
    assert api("PUT", "/v1/users/bea/contacts", {"phone": to, "email": email}).ok
    stack.sandbox.fail("http_503", operation="all")
    sent = verify.verifications.create(to=to, channel="sms")
    assert (sent.channel, sent.to) == ("email", to)
    right = verify.verification_checks.create(to=to, code=stack.sandbox.code(email, "email"))
    assert (right.status, right.channel) == ("approved", "email")


def test_asking_for_another_message_in_an_outage_is_no_error(verify, api, stack):
    to = number(22)
    app, _ = enrolled(api, "cay", to)
    stack.sandbox.fail("http_503", operation="all")
    for _ in range(8):
        assert verify.verifications.create(to=to, channel="sms").channel == "totp"
    assert verify.verification_checks.create(to=to, code=app.now()).valid


def test_an_outage_for_who_has_nothing_else(verify, stack):
    stack.sandbox.fail("http_503", operation="all")
    fault = refusal(verify.verifications.create, to=number(23), channel="sms")
    assert (fault.status, fault.code) == (503, 20503)
    stack.sandbox.reset()
    assert verify.verifications.create(to=number(23), channel="sms").status == "pending"


@pytest.mark.parametrize(
    ("kind", "code"),
    [("landline", 60205), ("blocked", 60238), ("geo", 60605), ("fraud", 60410), ("invalid_parameter", 60200)],
)
def test_numbers_that_can_not_be_reached(verify, stack, kind, code):
    stack.sandbox.fail(kind)
    for _ in range(2):  # asked, and remembered
        assert refusal(verify.verifications.create, to=number(code % 10000), channel="sms").code == code


def test_by_e_mail_from_the_start(verify, stack):
    sent = verify.verifications.create(to="dan@example.com", channel="email")
    assert (sent.channel, sent.to) == ("email", "dan@example.com")
    code = stack.sandbox.code("dan@example.com", "email")
    assert verify.verification_checks.create(to="dan@example.com", code=code).valid


# Whose number it is


def test_a_number_of_two_users_leads_to_neither(verify, api, stack):
    """Else who sets another's number as theirs would answer for the other with their own app."""
    to = number(30)
    thief, codes = enrolled(api, "thief", to)
    mine, _ = enrolled(api, "victim", to)
    stack.sandbox.fail("http_503", operation="all")
    assert refusal(verify.verifications.create, to=to, channel="sms").code == 20503
    stack.sandbox.reset()
    sent = verify.verifications.create(to=to, channel="sms")
    assert sent.channel == "sms"
    for code in (thief.now(), codes[0], mine.now()):
        assert not verify.verification_checks.create(to=to, code=code).valid
    assert verify.verification_checks.create(to=to, code=stack.sandbox.code(to)).valid


def test_a_number_follows_its_user(verify, api, stack):
    old, new = number(31), number(32)
    app, _ = enrolled(api, "eva", old)
    api("PUT", "/v1/users/eva/contacts", {"phone": new})
    other, _ = enrolled(api, "fred", old, "fred@example.com")
    stack.sandbox.fail("http_503", operation="all")
    verify.verifications.create(to=old, channel="sms")
    assert not verify.verification_checks.create(to=old, code=app.now()).valid
    assert verify.verification_checks.create(to=old, code=other.now()).valid
    verify.verifications.create(to=new, channel="sms")
    assert verify.verification_checks.create(to=new, code=app.now()).valid
    api("DELETE", "/v1/users/fred")
    assert refusal(verify.verifications.create, to=old, channel="sms").code == 20503
    assert not [name for name in stack.redis().scan_iter("otp:*:w:*") if b"fred" in name]


@pytest.mark.parametrize("leaves", [True, False], ids=["moved", "shared"])
def test_a_number_that_gets_another_user_while_it_is_verified(verify, api, stack, leaves):
    """Who had it begins a login, and it becomes another's: the app of the one is no answer for the other."""
    to = number(37 + leaves)
    former, codes = enrolled(api, f"jon-{leaves}", to)
    stack.sandbox.fail("http_503", operation="all")
    begun = verify.verifications.create(to=to, channel="sms")
    if leaves:
        assert api("PUT", f"/v1/users/jon-{leaves}/contacts", {"phone": number(39)}).ok
    present, _ = enrolled(api, f"kim-{leaves}", to)
    check = verify.verification_checks.create
    for code in (former.now(), codes[0], present.now()):
        assert refusal(check, to=to, code=code).code == 20404
        assert refusal(check, verification_sid=begun.sid, code=code).code == 20404
    assert refusal(verify.verifications(to).fetch).code == 20404
    if leaves:
        assert verify.verifications.create(to=to, channel="sms").sid != begun.sid
        assert not check(to=to, code=former.now()).valid
        assert check(to=to, code=present.now()).valid


def test_a_stale_entry_leads_nowhere(verify, api, stack):
    """What the index says is believed of those only whose record says it, too."""
    to = number(33)
    app, _ = enrolled(api, "gus", number(34))
    enrolled(api, "hal", to)
    client = stack.redis()
    key = next(k for k in client.scan_iter("otp:*:u:*"))
    for name in client.scan_iter("otp:*:w:*"):
        client.hset(name, key.decode().rpartition(":")[2], 1)  # somebody is said to have every number
    stack.sandbox.fail("http_503", operation="all")
    sent = verify.verifications.create(to=to, channel="sms")
    assert sent.channel == "totp"
    assert not verify.verification_checks.create(to=to, code=app.now()).valid


def test_nobody_enrols_for_a_number_that_is_nobodys(verify, api, stack):
    """Whatever user ids an application lets people choose."""
    to = number(35)
    for user in (to, f"to:{to}", f"tel:{to}"):
        app, _ = api.enroll(user)
        verify.verifications.create(to=to, channel="sms")
        assert not verify.verification_checks.create(to=to, code=app.now()).valid


def test_neither_numbers_nor_who_has_them_can_be_read(verify, api, stack):
    to = number(36)
    enrolled(api, "ida", to)
    verify.verifications.create(to=to, channel="sms")
    stored = stack.everything_stored()
    assert to[1:] not in stored
    assert "ida@" not in stored
