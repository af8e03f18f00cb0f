"""What happened in each minute."""

import math

from hypothesis import given
from hypothesis import strategies as st

from service.domain.traffic import LATENCIES, MINUTE, OPEN_MINUTES, Minute, Traffic, merged, total

NOW = 1_000_000 * MINUTE


def test_events_stand_in_their_minutes():
    traffic = Traffic()
    traffic.count("challenge.created", NOW, {"took": 12}, now=NOW)
    traffic.count("challenge.sent", NOW, {"channel": "sms", "sent_at": NOW + 10}, now=NOW)
    traffic.count("challenge.switched", NOW + MINUTE, {"reason": "deadline"}, now=NOW + MINUTE)
    traffic.count("challenge.send_failed", NOW + MINUTE, {"channel": "sms"}, now=NOW + MINUTE)
    sends = {"sms": [NOW + 10, None]}
    traffic.count(
        "challenge.approved", NOW + 2 * MINUTE, {"approved_by": "sms", "sends": sends}, now=NOW + 2 * MINUTE
    )
    traffic.count("challenge.expired", NOW + 2 * MINUTE, {}, now=NOW + 2 * MINUTE)
    minutes = traffic.settle(NOW + 2 * MINUTE)
    first, second, third = (minutes[NOW // MINUTE + n] for n in range(3))
    assert (first.started, first.sent, first.converted) == (
        1,
        1,
        1,
    )  # the code of that minute's send came back
    assert (second.switched, second.failed) == ({"deadline": 1}, 1)
    assert (third.approved, third.ended) == ({"sms": 1}, {"expired": 1})
    assert traffic.settle(NOW + 2 * MINUTE) == {}


def test_what_is_rehearsed_or_mailed_is_left_out():
    traffic = Traffic()
    traffic.count("challenge.created", NOW, {"drill": "dr_1"}, now=NOW)
    traffic.count("challenge.sent", NOW, {"channel": "email", "sent_at": NOW}, now=NOW)
    assert total(traffic.settle(NOW).values()) == Minute()
    traffic.count("challenge.created", NOW, {"drill": "dr_1", "spared": True}, now=NOW)
    assert total(traffic.settle(NOW).values()).started == 1


def test_a_minute_that_was_let_go_is_not_written_over():
    traffic = Traffic()
    traffic.count("challenge.created", NOW, {}, now=NOW)
    later = NOW + OPEN_MINUTES * MINUTE
    traffic.count("challenge.created", later, {}, now=later)
    assert set(traffic.settle(later)) == {NOW // MINUTE, later // MINUTE}
    traffic.count(
        "challenge.approved", later, {"approved_by": "sms", "sends": {"sms": [NOW, None]}}, now=later
    )
    assert set(traffic.settle(later)) == {later // MINUTE}


def test_a_clock_that_runs_ahead_does_not_stop_the_others():
    traffic = Traffic()
    traffic.count("challenge.created", NOW + 60 * MINUTE, {}, now=NOW)
    traffic.count("challenge.created", NOW, {}, now=NOW)
    assert {number: minute.started for number, minute in traffic.settle(NOW).items()} == {NOW // MINUTE: 2}


@given(st.lists(st.integers(0, 200)), st.integers(1, 30))
def test_nothing_is_lost_by_taking_minutes_together(numbers, each):
    minutes: dict[int, Minute] = {}
    for number in numbers:
        minutes.setdefault(number, Minute()).started += 1
    together = merged(minutes, 0, 200, each)
    assert sum(minute.started for minute in together) == len(numbers)
    assert len(together) == -(-201 // each)


@given(st.lists(st.integers(0, 20_000), min_size=1), st.floats(0.01, 1.0))
def test_latency_is_within_the_class_of_the_exact_answer(times, share):
    traffic = Traffic()
    for took in times:
        traffic.count("challenge.created", NOW, {"took": took}, now=NOW)
    exact = sorted(times)[max(0, math.ceil(len(times) * share) - 1)]
    bounds = (0, *LATENCIES)
    above = next((high for high in LATENCIES if exact <= high), LATENCIES[-1])
    below = max((low for low in bounds if low < exact), default=0)
    assert min(below, LATENCIES[-1]) <= total(traffic.settle(NOW).values()).latency(share) <= above


def test_no_starts_no_latency():
    assert Minute().latency(0.5) is None
