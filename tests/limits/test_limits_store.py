"""The scripts that enforce limits, on a real Valkey: exact, atomic, and forgotten in time."""

from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.domain import toll_fraud
from service.domain.channels import Channel
from service.domain.contacts import Phone
from service.domain.limits import Rate
from service.domain.toll_fraud import block_of
from service.store import keys
from service.store.health import RouteState
from service.store.limits import Limit, LimitStore
from service.store.numbers import NumberStore, Wanted

WHOSE = "00whose"
ROUTE = "twilio_verify/sms/+1"


@pytest.fixture
def core(process):
    return process().core


def wanted(users, clock, number="+14155550123", **changes):
    phone = Phone.parse(number)
    told = {"provider": "twilio_verify", "channel": "sms", "country": "+1", "block": block_of(phone)}
    block = users.block_key(block_of(phone))
    whole = Wanted(users.number_key(number), block, None, Channel.SMS, clock(), ROUTE, told)
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


@given(
    st.integers(1, 40),
    st.lists(
        st.tuples(st.integers(0, 40_000), st.sampled_from([0, 5, 3000, 86_400_000]), st.booleans()),
        min_size=20,
        max_size=80,
    ),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_who_is_behind_gets_no_more(core, redis, limit, calls):
    """Clocks differ, and a time may be old when it is used; some of what is taken is given back."""
    redis.flushall()
    rates, clock, used = LimitStore(core.store), 1_800_000_000_000, 0
    begin, one = clock, [Limit("user", WHOSE, Rate(limit, 600))]
    rates.take_all(one, clock)  # by the clock that is ahead of all others
    for pause, behind, is_used in [(0, 0, True)] * limit + calls:
        clock += pause
        found = rates.take_all(one, clock - behind)
        if found[0].granted and is_used:
            used += 1
        elif found[0].granted:
            rates.give_back(one, found, clock - behind)
        assert used <= limit + (clock - begin) * limit / 600_000 + 1


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


def test_a_clock_that_is_set_back_uses_nothing_up(core):
    rates, rate, now = LimitStore(core.store), Rate(60, 3600), 1_800_000_000_000

    def take(at):
        (taken,) = rates.take_all([Limit("user", WHOSE, rate)], at)
        return taken.standing.remaining

    assert [take(now + 86_400_000), take(now + 86_400_000)] == [59, 58]
    assert [take(now), take(now)] == [57, 56]


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
        granted = numbers.reserve_send(send)
        assert granted.outcome == "ok"
        numbers.send_failed(send, granted)
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


@pytest.fixture
def watched(redis):
    """A worker decides on health, and the route is healthy; told otherwise by a state."""
    redis.set(keys.HEALTH_LEADER, "somebody")

    def tell(state):
        redis.hset(
            keys.HEALTH_STATES, ROUTE, msgspec.json.encode(RouteState(state=state, since=1, reason=""))
        )

    return tell


def pump(numbers, users, clock, count=toll_fraud.SUSPECT_AFTER, **changes):
    return [
        numbers.reserve_send(wanted(users, clock, f"+1415555{n:04d}", **changes)).outcome
        for n in range(count)
    ]


def answer(numbers, users, clock, number, by_phone=True):
    send = wanted(users, clock, number)
    numbers.answered(send.number, send.block, clock(), by_phone=by_phone)


def test_a_block_that_never_answers_is_suspected_once_it_had_time_to(core, clock, redis, watched):
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


def test_racing_senders_suspect_it_once(core, clock, redis, watched):
    numbers = NumberStore(core.store)
    pump(numbers, core.users, clock)
    clock.pass_(91)
    sends = [wanted(core.users, clock, f"+141555599{n:02d}") for n in range(20)]
    assert set(race(20, lambda n: numbers.reserve_send(sends[n]).outcome)) == {"suspected"}
    assert sum(redis.xlen(key) for key in redis.scan_iter("otp:*:outbox")) == 1


@pytest.mark.parametrize("state", ["open", "half_open"])
def test_in_an_outage_nobody_is_suspected(core, clock, watched, state):
    numbers = NumberStore(core.store)
    pump(numbers, core.users, clock)
    clock.pass_(91)
    watched(state)
    assert numbers.reserve_send(wanted(core.users, clock)).outcome == "ok"


def test_while_nobody_decides_on_health_nobody_is_suspected(core, clock, watched, redis):
    """An outage would not be known of."""
    numbers = NumberStore(core.store)
    pump(numbers, core.users, clock)
    clock.pass_(91)
    redis.delete(keys.HEALTH_LEADER)
    assert numbers.reserve_send(wanted(core.users, clock)).outcome == "ok"


def test_where_a_tenth_answers_nobody_is_suspected(core, clock, watched):
    numbers = NumberStore(core.store)
    for n in range(120):
        number = f"+1415555{n:04d}"
        assert numbers.reserve_send(wanted(core.users, clock, number)).outcome == "ok"
        if n % 9 == 0:
            answer(numbers, core.users, clock, number)
            answer(numbers, core.users, clock, number)  # told again: no more than once
        clock.pass_(25)


def test_one_who_answers_again_and_again_does_not_speak_for_others(core, clock, watched):
    numbers = NumberStore(core.store)
    pump(numbers, core.users, clock)
    for _ in range(30):
        answer(numbers, core.users, clock, "+14155550000")
    clock.pass_(91)
    pump(numbers, core.users, clock, 5)
    clock.pass_(91)
    assert numbers.reserve_send(wanted(core.users, clock, "+14155559991")).outcome == "suspected"


def test_who_gets_in_otherwise_speaks_for_one_number(core, clock, watched, redis):
    numbers = NumberStore(core.store)
    pump(numbers, core.users, clock)
    send = wanted(core.users, clock, "+14155550000")
    answer(numbers, core.users, clock, "+14155550000", by_phone=False)
    assert redis.zcard(keys.block_sends(send.block)) == toll_fraud.SUSPECT_AFTER - 1
    assert redis.zcard(keys.block_answers(send.block)) == 0


def test_messages_to_one_number_make_nobody_a_suspect(core, clock, watched):
    numbers = NumberStore(core.store)
    for _ in range(60):
        numbers.reserve_send(wanted(core.users, clock))
        numbers.verification_over(wanted(core.users, clock).number)
        clock.pass_(20)
    assert numbers.reserve_send(wanted(core.users, clock, "+14155559991")).outcome == "ok"


def test_a_number_that_answered_is_excepted_from_suspicion_but_not_from_the_rate(core, clock, watched):
    numbers = NumberStore(core.store, block=Rate(23, 36_000))
    pump(numbers, core.users, clock)
    clock.pass_(91)
    known = wanted(core.users, clock, "+14155559991")
    answer(numbers, core.users, clock, "+14155559991")
    assert numbers.reserve_send(known).outcome == "ok"
    assert numbers.reserve_send(wanted(core.users, clock, "+14155559992")).outcome == "suspected"
    granted = numbers.reserve_send(known)  # while it is suspected, so it is counted nowhere
    assert granted.outcome == "ok"
    numbers.send_failed(known, granted)
    clock.pass_(3601)
    assert [numbers.reserve_send(wanted(core.users, clock, f"+141555577{n:02d}")).outcome for n in range(5)] == [
        *["ok"] * 4, "limited",
    ]  # fmt: skip
    assert numbers.reserve_send(wanted(core.users, clock, "+14155559991")).outcome == "limited"


def test_sends_that_failed_are_not_held_against_a_block(core, clock, watched):
    numbers = NumberStore(core.store)
    for n in range(40):
        send = wanted(core.users, clock, f"+1415555{n:04d}")
        granted = numbers.reserve_send(send)
        assert granted.outcome == "ok"
        numbers.send_failed(send, granted)
    clock.pass_(91)
    assert numbers.reserve_send(wanted(core.users, clock)).outcome == "ok"


def test_one_address_leaves_a_send_of_the_verification_to_others(core, clock):
    numbers = NumberStore(core.store)
    here = wanted(core.users, clock, origin="00here")
    found = [numbers.reserve_send(here) for _ in range(5)]
    assert [one.outcome for one in found] == ["ok"] * 4 + ["limited"]
    assert 590 < found[4].wait <= 600
    assert numbers.reserve_send(here._replace(origin="00home")).outcome == "ok"
