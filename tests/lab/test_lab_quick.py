"""A small lab, for every test run: what `make lab` shows with more seeds and more sends."""

import statistics

import pytest

from tests.lab.scenarios import SCENARIOS, healthy, healthy_plain

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def results(name, seeds=3):
    return [BY_NAME[name].run(seed) for seed in range(seeds)]


@pytest.mark.parametrize(
    ("name", "within"),
    [
        ("silent, total", 15),
        ("silent, total, nobody has a fallback", 15),
        ("silent, total, slow typists", 15),
        ("silent, half", 60),
        ("silent, half, nobody has a fallback", 60),
    ],
)
def test_silent_loss_opens_within_so_many_matured_sends_and_sooner_than_a_plain_test(name, within):
    found = results(name)
    assert all(r.seconds is not None for r in found)
    assert max(r.matured for r in found) <= within
    ours = statistics.median(r.seconds for r in found)
    plain = statistics.median(r.plain_seconds for r in found)
    assert ours < 0.75 * plain


def test_a_hard_outage_opens_at_the_fifth_fault():
    assert [r.sends for r in results("hard down")] == [5] * 3


def test_a_third_of_failing_calls_opens_within_a_minute_or_two():
    assert all(r.seconds < 120 for r in results("a third of calls fails"))


def test_one_country_and_one_carrier_open_alone():
    for name in ("one country", "one carrier"):
        found = results(name, 2)
        assert all(r.seconds is not None for r in found), name
        assert all(r.wrong == 0 for r in found), name


def test_a_route_that_is_well_again_comes_back():
    for name in ("silent, total", "one country"):
        assert all(r.close_seconds is not None and r.close_seconds < 400 for r in results(name, 2))


def test_small_routes_hear_their_siblings():
    alone = statistics.median(r.seconds for r in results("1 a minute, alone", 3))
    together = statistics.median(r.seconds for r in results("1 a minute, siblings fail too", 3))
    assert together < 0.6 * alone


@pytest.mark.parametrize("kind", ["steady 75 %", "drift 65-85 % a day"])
def test_health_is_no_alarm(kind):
    assert healthy(kind, 30_000, 7).openings() == 0


def test_the_plain_test_is_one_that_can_alarm():
    assert healthy_plain("steady 75 %", 20_000, 1) >= 0
    assert results("silent, total", 1)[0].plain_seconds > 90
