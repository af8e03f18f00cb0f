"""The state machine, with a clock and a dice of the test's own."""

import random
from pathlib import Path

import pytest

from service.sandbox.countries import country_of
from service.sandbox.errors import Refusal
from service.sandbox.messages import KEEP_MESSAGES, Messages, find_code
from service.sandbox.provider import Provider, Request
from service.sandbox.storage import KEEP_AFTER_EXPIRY, Database
from service.sandbox.tally import Tally
from service.sandbox.verifications import LIFE

NUMBER = "+14155550100"


class World:
    def __init__(self, path: Path) -> None:
        self.now = 1_000_000.0
        self.database = Database(path)
        self.messages = Messages(self.database, clock=lambda: self.now)
        self.provider = Provider(
            self.database, self.messages, Tally(), clock=lambda: self.now, source=random.Random(1)
        )

    def send(self, to: str = NUMBER, custom_code: str | None = None):
        return self.provider.send(Request(to, "sms", custom_code))


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path / "sandbox.db")
    yield world
    world.database.close()


def test_a_second_send_repeats_the_code_in_the_same_verification(world):
    first = world.send()
    world.now += LIFE - 1
    second = world.send()
    assert (second.sid, second.code, len(second.attempts)) == (first.sid, first.code, 2)


def test_a_code_ends_after_ten_minutes(world):
    first = world.send()
    world.now += LIFE
    with pytest.raises(Refusal, match="not found"):
        world.provider.check(NUMBER, first.code, "/x")
    second = world.send()
    assert (second.sid, second.code) != (first.sid, first.code)


def test_a_code_is_used_once(world):
    first = world.send()
    assert world.provider.check(NUMBER, first.code, "/x").status == "approved"
    with pytest.raises(Refusal, match="not found"):
        world.provider.check(first.sid, first.code, "/x")
    assert world.send().sid != first.sid


def test_the_right_code_on_the_fifth_check_is_accepted(world):
    sent = world.send(custom_code="271828")
    for _ in range(4):
        assert world.provider.check(NUMBER, "000000", "/x").status == "pending"
    assert world.provider.check(sent.sid, "271828", "/x").status == "approved"


def test_the_sixth_check_is_refused_even_with_the_right_code(world):
    sent = world.send(custom_code="271828")
    for _ in range(5):
        world.provider.check(NUMBER, "000000", "/x")
    with pytest.raises(Refusal, match="Max check"):
        world.provider.check(sent.sid, "271828", "/x")
    assert world.provider.fetch(sent.sid, "/x").status == "max_attempts_reached"


def test_a_custom_code_replaces_the_code(world):
    world.send()
    assert world.send(custom_code="2718").code == "2718"
    assert world.provider.check(NUMBER, "2718", "/x").status == "approved"


def test_an_ended_verification_makes_room_for_a_new_one(world):
    first = world.send()
    assert world.provider.end(NUMBER, "canceled", "/x").status == "canceled"
    with pytest.raises(Refusal, match="not found"):
        world.provider.end(first.sid, "approved", "/x")
    assert world.send().sid != first.sid


def test_state_is_bounded(world):
    with world.database.transaction():
        for n in range(KEEP_MESSAGES + 600):
            world.messages.add(channel="sms", to=NUMBER, sender="x", text=str(n))
    for n in range(600):
        world.send(f"+1415556{n:04d}")
    world.now += LIFE + KEEP_AFTER_EXPIRY + 1
    for n in range(300):
        world.send(f"+1415557{n:04d}")
    count = "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM verifications)"
    ((messages, verifications),) = world.database.rows(count)
    assert messages < KEEP_MESSAGES + 300
    assert verifications < 600


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        (("Your code", "It is 271828."), "271828"),
        (("31415926 is your code", "or 271828"), "31415926"),
        ((None, "", "<p style='color:#123456'>code: <b>271828</b></p>"), "271828"),
        (("call +14155550100 or 12345", "order 123456789"), None),
    ],
)
def test_the_code_in_a_mail_is_found(texts, code):
    assert find_code(*texts) == code


@pytest.mark.parametrize(
    ("number", "country"),
    [("+14155550100", "US"), ("+14165550100", "CA"), ("+919812345678", "IN"), ("+18765550100", "JM")],
)
def test_a_number_has_a_country(number, country):
    assert country_of(number) == country
    assert country_of("ann@example.com") is None
