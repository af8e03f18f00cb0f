"""Contacts, errors, failure classes."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain import errors
from service.domain.contacts import Email, Phone
from service.domain.failures import COUNTED, FailureClass, Reason
from service.edge import STATUSES, status_of
from service.providers.twilio_errors import check_failure, is_over, send_failure


@pytest.mark.parametrize(
    ("text", "e164", "code"),
    [
        ("+14155550123", "+14155550123", "+1"),
        ("+1 (415) 555-0123", "+14155550123", "+1"),
        (" +44 7700 900123", "+447700900123", "+44"),
        ("+91 98765 43210", "+919876543210", "+91"),
        ("+4915112345678", "+4915112345678", "+49"),
    ],
)
def test_phones(text, e164, code):
    assert Phone.parse(text) == Phone(e164, code)


@pytest.mark.parametrize(
    "text",
    ["", "4155550123", "+", "+1", "+1415555", "+99912345678901234", "+1415555012345678", "tel:+14155550123",
     "+1415555 0123 ext 5", "+1-800-FLOWERS-AND-MORE", "+٤٩", "+1" + "5" * 40, "0014155550123"],
)  # fmt: skip
def test_what_is_no_phone(text):
    with pytest.raises(errors.InvalidInput) as caught:
        Phone.parse(text)
    assert caught.value.faults[0].field == "phone"
    assert caught.value.detail == "phone: expected an international phone number such as +14155550123"


@given(st.integers(10**9, 10**10 - 1))
def test_a_masked_number_hides_at_least_three_digits(number):
    phone = Phone(f"+1{number}", "+1")
    masked = phone.masked()
    assert masked.startswith("+1")
    assert masked.endswith(str(number)[-4:])
    assert str(number) not in masked
    assert sum(c.isdigit() for c in masked) <= 1 + 10 - 3
    assert str(number) not in repr(phone)


@given(st.integers(4, 12))
def test_short_numbers_are_masked_too(length):
    national = "123456789012"[:length]
    masked = Phone(f"+290{national}", "+290").masked()
    assert len(masked.partition("***")[0]) - 4 + len(masked.partition("***")[2]) <= length - 3


@pytest.mark.parametrize(
    ("text", "address", "masked"),
    [
        ("alice@example.com", "alice@example.com", "a***@example.com"),
        ("Alice.B+x@EXAMPLE.com", "Alice.B+x@example.com", "A***@example.com"),
        ("a@localhost", "a@localhost", "a***@localhost"),
        ("jürgen@bücher.example", "jürgen@bücher.example", "j***@bücher.example"),
    ],
)
def test_mail_addresses(text, address, masked):
    email = Email.parse(text)
    assert (email.address, email.masked()) == (address, masked)
    assert address not in repr(email)


@pytest.mark.parametrize(
    "text",
    ["", "alice", "alice@", "@example.com", "a b@example.com", "alice@example", "a@b@c.example",
     "alice@example.com\nBcc: x@y.example", "x" * 250 + "@example.com", "a@-x.example", '"a"@x..example'],
)  # fmt: skip
def test_what_is_no_mail_address(text):
    with pytest.raises(errors.InvalidInput) as caught:
        Email.parse(text)
    assert caught.value.faults[0].field == "email"


def subclasses():
    return [
        value
        for value in vars(errors).values()
        if inspect.isclass(value) and issubclass(value, errors.OtpError) and value is not errors.OtpError
    ]


def test_every_error_has_a_code_of_its_own_and_a_status():
    codes = [cls.code for cls in subclasses() if cls not in (errors.NotFound, errors.ChallengeEnded)]
    assert "error" not in codes
    assert len(codes) == len(set(codes))
    for cls in subclasses():
        if cls is errors.ChallengeEnded:
            continue
        assert 400 <= STATUSES[cls] < 600
    assert set(STATUSES) <= set(subclasses())


@pytest.mark.parametrize(
    ("status", "http", "code"),
    [
        ("approved", 409, "challenge_approved"),
        ("canceled", 409, "challenge_canceled"),
        ("failed", 409, "challenge_failed"),
        ("expired", 410, "challenge_expired"),
        ("locked", 410, "challenge_locked"),
    ],
)
def test_ended(status, http, code):
    error = errors.ChallengeEnded(status)
    assert (status_of(error), error.code, error.extra) == (http, code, {"challenge_status": status})


# Twilio's documentation of errors, by class
CLASSES = {
    FailureClass.PROVIDER_FAULT: [(500, 20500), (503, 20503), (502, 0), (504, 0), (500, 0)],
    FailureClass.THROTTLED: [(429, 20429), (429, 60207), (429, 60212), (429, 0)],
    FailureClass.ACCOUNT: [
        (401, 20003), (403, 20005), (403, 20006), (403, 20007), (403, 20008), (404, 20404),
        (400, 60217), (403, 60220), (400, 60201), (403, 60223), (400, 20001), (401, 0),
    ],
    FailureClass.RECIPIENT: [
        (403, 60205), (403, 60410), (403, 60605), (403, 60238), (429, 60203), (429, 60202),
    ],
    FailureClass.REQUEST: [(400, 60200)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("expected", "status", "code"), [(c, s, k) for c, pairs in CLASSES.items() for s, k in pairs]
)
def test_classes_of_failure(expected, status, code):
    failure = send_failure(status, code)
    assert failure.failure_class is expected
    assert failure.code == str(code)
    wanted = Reason.UNDELIVERABLE if expected is FailureClass.RECIPIENT else Reason.PROVIDER_ERROR
    assert failure.reason is wanted
    assert failure.fraud is (code == 60410)
    assert bool(failure.remember_for) is (code in (60205, 60238, 60605, 60410))
    if not is_over(status, code):
        assert check_failure(status, code).failure_class is expected


def test_what_counts_against_a_route():
    assert {FailureClass.PROVIDER_FAULT, FailureClass.ACCOUNT} == COUNTED


@pytest.mark.parametrize(
    ("status", "code", "over"), [(404, 20404, True), (429, 60202, True), (404, 0, False), (500, 20404, False)]
)
def test_when_a_check_says_that_it_is_over(status, code, over):
    assert is_over(status, code) is over


def test_words_that_are_reasons_of_switches():
    assert {r.value for r in Reason if r.moves_on} == {
        "mode", "circuit_open", "provider_error", "deadline", "undeliverable", "delivery_failed",
        "not_delivered", "user_request", "drill",
    }  # fmt: skip
