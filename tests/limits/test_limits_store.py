"""The scripts that enforce limits, on a real Valkey: exact, atomic, and forgotten in time."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain import toll_fraud
from service.domain.channels import Channel
from service.domain.contacts import Phone
from service.domain.limits import Rate
from service.domain.toll_fraud import block_of
from service.store import keys
from service.store.blocks import BlockStore
from service.store.limits import Limit, LimitStore
from service.store.numbers import NumberStore, Wanted

WHOSE = "00whose"


@pytest.fixture
def core(process):
    return process().core


def wanted(users, clock, number="+14155550123", **changes):
    phone = Phone.parse(number)
    told = {"provider": "twilio_verify", "channel": "sms", "country": "+1", "block": block_of(phone)}
    whole = Wanted(
        users.number_key(number), users.block_key(block_of(phone)), None, Channel.SMS, clock(), True, told
    )
    return whole._replace(**changes)


def race(count, call):
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(call, range(count)))


# Rates


@given(
    st.integers(1, 40),
    st.sampled_from([1, 7, 60, 600, 3600]),
    st.lists(st.integers(0, 90_000), min_size=1, max_size=60),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_window_holds_more_than_twice_and_no_instant_more_than_all(core, redis, limit, window, pauses):
    """What a rate promises: never more than `limit` at once, and evenly after that."""
    redis.flushall()
    rates, rate, now, granted = LimitStore(core.store), Rate(limit, window), 1_800_000_000_000, []
    for pause in pauses:
        now += pause
        (taken,) = rates.take_all([Limit("user", WHOSE, rate)], now)
        if taken.granted:
            granted.append(now)
            assert 0 <= taken.standing.remaining < limit
            assert taken.wait == 0
        else:
            assert 1 <= taken.wait <= -(-window // limit) + 1
            assert taken.standing.remaining == 0
        assert 0 <= taken.standing.reset <= window + 1
    for at in granted:
        within = [other for other in granted if at <= other < at + window * 1000 - 1]
        assert len(within) <= max(1, 2 * limit - 1)
        assert sum(other == at for other in granted) <= limit


def test_all_of_it_at_once_then_evenly(core):
    rates, rate, now = LimitStore(core.store), Rate(60, 3600), 1_800_000_000_000

    def take(at):
        (taken,) = rates.take_all([Limit("user", WHOSE, rate)], at)
        return taken

    assert [take(now).standing.remaining for _ in range(60)] == list(range(59, -1, -1))
    refused = take(now)
    assert not refused.granted
    assert refused.wait == 60
    assert take(now + 60_000).granted
    assert not take(now + 60_000).granted
    assert take(now + 3_720_000).standing.remaining == 59


def test_racing_takers_get_no_more_than_there_is(core):
    rates = LimitStore(core.store)
    taken = race(
        40, lambda _: rates.take_all([Limit("user", WHOSE, Rate(7, 3600))], 1_800_000_000_000)[0].granted
    )
    assert taken.count(True) == 7


def test_a_clock_that_ran_ahead_locks_nobody_out(core):
    rates, rate, now = LimitStore(core.store), Rate(5, 60), 1_800_000_000_000
    for _ in range(5):
        rates.take_all([Limit("user", WHOSE, rate)], now + 86_400_000)
    (taken,) = rates.take_all([Limit("user", WHOSE, rate)], now)
    assert taken.wait <= 13  # never longer than the window, whatever an hour the other clock showed


def test_rates_are_forgotten(core, redis):
    LimitStore(core.store).take_all([Limit("user", WHOSE, Rate(5, 60))], 1_800_000_000_000)
    assert 0 < redis.pttl(keys.rate("user", WHOSE)) <= 12_000


# Numbers


def test_one_address_uses_up_half_of_a_number(core, clock):
    numbers = NumberStore(core.store, number=Rate(4, 3600))
    send = wanted(core.users, clock)
    here = [numbers.reserve_send(send._replace(origin="00here")).outcome for _ in range(3)]
    assert here == ["ok", "ok", "limited"]
    there = [numbers.reserve_send(send._replace(origin="00there")) for _ in range(3)]
    assert [found.outcome for found in there] == ["ok", "ok", "limited"]
    assert there[2].wait == 1800
    assert there[2].standing.limit == 4


def test_what_was_not_sent_counts_nowhere(core, clock, redis):
    numbers = NumberStore(core.store, Rate(4, 3600), Rate(10, 3600))
    send = wanted(core.users, clock, origin="00here")
    before = set(redis.scan_iter())
    for _ in range(9):
        assert numbers.reserve_send(send).outcome == "ok"
        numbers.send_failed(send)
    assert set(redis.scan_iter()) == before


def test_what_one_limit_refuses_the_others_take_back(core, clock, redis):
    numbers = NumberStore(core.store, Rate(2, 3600), Rate(50, 3600))
    send = wanted(core.users, clock)
    for _ in range(2):
        numbers.reserve_send(send)
    after_two = {key: redis.dump(key) for key in redis.scan_iter()}
    assert numbers.reserve_send(send).outcome == "limited"
    assert {key: redis.dump(key) for key in redis.scan_iter()} == after_two


def test_all_numbers_together(core, clock):
    numbers = NumberStore(core.store, total=Rate(3, 3600))
    sends = [wanted(core.users, clock, f"+1415{n}550123") for n in range(5)]
    found = [numbers.reserve_send(send) for send in sends]
    assert [one.outcome for one in found] == ["ok"] * 3 + ["limited"] * 2
    assert found[3].standing.name == "phone"


def test_racing_sends_to_a_block_are_no_more_than_its_rate(core, clock):
    numbers = NumberStore(core.store, block=Rate(6, 3600))
    sends = [wanted(core.users, clock, f"+1415555{n:04d}") for n in range(30)]
    assert race(30, lambda n: numbers.reserve_send(sends[n]).outcome).count("ok") == 6


# Blocks


def pump(numbers, users, clock, count=toll_fraud.SUSPECT_AFTER, **changes):
    return [
        numbers.reserve_send(wanted(users, clock, f"+1415555{n:04d}", **changes)).outcome
        for n in range(count)
    ]


def test_a_block_that_never_answers_is_suspected_once_its_sends_are_mature(core, clock, redis):
    numbers = NumberStore(core.store)
    assert set(pump(numbers, core.users, clock)) == {"ok"}
    clock.pass_(80)
    assert numbers.reserve_send(wanted(core.users, clock, "+14155559990")).outcome == "ok"
    clock.pass_(10)
    suspected = numbers.reserve_send(wanted(core.users, clock, "+14155559991"))
    assert suspected.outcome == "suspected"
    assert suspected.wait == toll_fraud.SUSPECTED // 1000
    events = [e for key in redis.scan_iter("otp:*:outbox") for e in redis.xrange(key)]
    assert [fields[b"type"] for _, fields in events] == [b"fraud.suspected"]  # once
    assert numbers.reserve_send(wanted(core.users, clock, "+14155559992")).outcome == "suspected"
    # Other blocks are not.
    assert numbers.reserve_send(wanted(core.users, clock, "+14155560000")).outcome == "ok"
    # It ends, and begins anew for twice as long.
    clock.pass_(3601)
    assert set(pump(numbers, core.users, clock)) == {"ok"}
    clock.pass_(91)
    again = numbers.reserve_send(wanted(core.users, clock, "+14155559993"))
    assert (again.outcome, again.wait) == ("suspected", 7200)


def test_whose_route_is_in_trouble_is_not_suspected(core, clock):
    numbers = NumberStore(core.store)
    pump(numbers, core.users, clock, healthy=False)
    clock.pass_(91)
    assert numbers.reserve_send(wanted(core.users, clock)).outcome == "ok"


def test_where_somebody_answers_nobody_is_suspected(core, clock):
    """A tenth of a block's people getting in is enough, by whatever channel that is."""
    numbers, blocks = NumberStore(core.store), BlockStore(core.store)
    hashed = core.users.block_key("+1415555")
    for n in range(100):
        found = numbers.reserve_send(wanted(core.users, clock, f"+1415555{n:04d}"))
        assert found.outcome == "ok"
        if n % 10 == 9:
            blocks.answered([hashed])
        clock.pass_(30)


def test_a_number_that_answered_is_excepted(core, clock):
    numbers = NumberStore(core.store)
    pump(numbers, core.users, clock)
    clock.pass_(91)
    known = wanted(core.users, clock, "+14155559991")
    numbers.verification_over(known.number, answered=True)
    assert numbers.reserve_send(known).outcome == "ok"
    assert numbers.reserve_send(wanted(core.users, clock, "+14155559992")).outcome == "suspected"


def test_sends_that_failed_are_not_held_against_a_block(core, clock):
    numbers = NumberStore(core.store)
    for n in range(40):
        send = wanted(core.users, clock, f"+1415555{n:04d}")
        assert numbers.reserve_send(send).outcome == "ok"
        numbers.send_failed(send)
    clock.pass_(91)
    assert numbers.reserve_send(wanted(core.users, clock)).outcome == "ok"
