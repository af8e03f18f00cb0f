"""Rates, networks, countries, numbers that earn, and crowds: pure."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.contacts import Phone
from service.domain.health.crowd import VOICES, Crowd, Hearing
from service.domain.health.monitor import Monitor
from service.domain.limits import Limits, Rate, network_of
from service.domain.toll_fraud import Served, block_of, earns


@pytest.mark.parametrize(
    ("text", "rate"),
    [("60/1h", Rate(60, 3600)), ("1/30s", Rate(1, 30)), (" 300 / 10m ", Rate(300, 600)), ("5/30d", Rate(5, 2_592_000)), ("off", None), ("OFF", None)],
)  # fmt: skip
def test_rates(text, rate):
    assert Rate.parse(text) == rate


@pytest.mark.parametrize("text", ["", "0/1h", "60", "60/", "60/1w", "-1/1h", "60/0s", "1e3/1h", "9999999/1h", "1/31d", "٣/1h"])  # fmt: skip
def test_what_is_no_rate(text):
    with pytest.raises(ValueError, match="60/1h"):
        Rate.parse(text)


def test_half_of_it_is_for_one_address():
    assert Rate(60, 3600).part() == Rate(30, 3600)
    assert Rate(1, 60).part() == Rate(1, 60)


def test_defaults_stop_a_guesser_at_one_address_before_the_user():
    failures = Limits().failures
    assert failures.address < failures.user < failures.lock <= 100  # SP 800-63B-4 section 3.2.2


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    ],
)
def test_what_counts_as_one_address(address, network):
    assert network_of(address) == network


@given(st.ip_addresses(v=6).filter(lambda address: int(address) >> 64))
def test_an_ipv6_subscriber_is_one_whatever_host_calls(address):
    other = (int(address) >> 64 << 64) + (int(address) + 12345) % 2**64
    assert network_of(str(address)) == network_of(str(type(address)(other)))


# The first are of Germany, the UK, France, the USA; +979 is the world's premium rate.
@pytest.mark.parametrize("number", ["+499001234567", "+449098790000", "+33892123456", "+19005551234", "+979123456789", "+447012345678"])  # fmt: skip
def test_numbers_that_earn(number):
    assert earns(Phone.parse(number))


@pytest.mark.parametrize("number", ["+14155550123", "+4915112345678", "+447700900123", "+919876543210", "+33612345678"])  # fmt: skip
def test_numbers_of_people(number):
    assert not earns(Phone.parse(number))
    assert Served().takes(Phone.parse(number))


@pytest.mark.parametrize(
    ("served", "number", "taken"),
    [
        ("US,CA,+49", "+14155550123", True),
        ("US,CA,+49", "+16045550123", True),  # Canada
        ("US,CA,+49", "+18765551234", False),  # Jamaica, which has +1 too
        ("US,CA,+49", "+4915112345678", True),
        ("US,CA,+49", "+919876543210", False),
        ("+1", "+18765551234", True),
        (None, "+881612345678", False),  # a satellite, and no country
        (None, "+88312345678901", False),
        ("+881", "+881612345678", True),
        ("us", "+19005551234", False),  # premium rate, however served
        ("GB", "+447700900123", True),  # no plan has it: taken for what +44 mostly is
    ],
)
def test_countries_served(served, number, taken):
    assert Served.parse(served).takes(Phone.parse(number)) is taken


@pytest.mark.parametrize("text", ["XX", "Germany", "49", "+", "US;CA"])
def test_what_is_no_country(text):
    with pytest.raises(ValueError, match="regions such as US"):
        Served.parse(text)


def test_blocks():
    assert block_of(Phone.parse("+14155550123")) == "+1415555"
    assert block_of(Phone.parse("+4930123")).startswith("+49")


BEGINS = 600  # seconds after which somebody pumps, or an outage begins


def pumped(seconds, *, pump_rate, rate, conversion=0.75, seed=1, blocks=40, outage=False):
    """Seconds after which a route opens on which somebody pumps one block; None: it stays closed.

    The users of the others answer after a while, unless there is an outage.
    """
    chance, monitor, name = random.Random(seed), Monitor(), "twilio_verify/sms/+44"
    crowd, pending, at = monitor.crowd(name), [], 0.0
    while at < seconds:
        pumps = pump_rate if at >= BEGINS else 0.0
        at += chance.expovariate(rate + pumps)
        for answer in sorted(a for a in pending if a[0] <= at):
            pending.remove(answer)
            when, block, sent_at = answer
            crowd.answered(block, sent_at)
            if crowd.is_watched(block, sent_at):
                monitor.route(name).approved(when, sent_at)
        opened = [t for t in monitor.advance(at) if t.to == "open"]
        if opened:
            return opened[0].t
        pump = chance.random() < pumps / (rate + pumps)
        block = "pumped" if pump else f"block {chance.randrange(blocks)}"
        hearing = crowd.sent(block, at)
        for dropped in hearing.dropped:
            monitor.route(name).censored(at, dropped, tells=False)
        monitor.route(name).sent(at, watch=hearing.watched)
        lost = outage and at >= BEGINS
        if not pump and not lost and chance.random() < conversion:
            pending.append((at + min(60.0, chance.lognormvariate(2.5, 0.7)), block, at))
    return None


@pytest.mark.parametrize("rate", [0.5, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_pumping_one_block_does_not_open_the_route(rate, seed):
    assert pumped(2400, pump_rate=rate, rate=rate, seed=seed) is None


def test_without_that_it_would(monkeypatch):
    """What the last test shows is the crowd's doing."""
    monkeypatch.setattr(Crowd, "sent", lambda *_: Hearing(True))
    assert pumped(2400, pump_rate=0.5, rate=0.5, seed=1) is not None


@pytest.mark.parametrize("blocks", [1, 3, 40])
@pytest.mark.parametrize("seed", range(4))
def test_an_outage_is_found_as_soon_however_few_blocks_there_are(blocks, seed):
    opened = pumped(1200, pump_rate=0.0, rate=1.0, blocks=blocks, outage=True, seed=seed)
    assert opened is not None
    assert BEGINS < opened < BEGINS + 60


def test_an_outage_is_found_though_somebody_pumps():
    opened = pumped(1200, pump_rate=0.3, rate=1.0, outage=True, seed=2)
    assert opened is not None
    assert BEGINS < opened < BEGINS + 60


def test_alone_a_block_is_watched():
    crowd = Crowd()
    assert all(crowd.sent("one", float(n)).watched for n in range(3 * VOICES))


def test_a_block_that_answers_is_watched_again():
    crowd = Crowd()
    for n in range(2 * VOICES):
        crowd.sent("theirs", float(n))
        crowd.sent(f"other {n}", float(n))
        crowd.answered(f"other {n}", float(n))
    assert not crowd.sent("theirs", 50.0).watched
    assert not crowd.is_watched("theirs", 50.0)
    crowd.answered("theirs", 50.0)
    assert crowd.sent("theirs", 51.0).watched
