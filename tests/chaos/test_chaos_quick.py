"""A small chaos, for every test run: what `make chaos` does with more faults, for longer."""

import pytest

from tests.chaos.scenarios import quick
from tests.chaos.trial import run
from tests.chaos.world import Setting, made

QUICK = quick()


@pytest.fixture(scope="module")
def world():
    with made(Setting()) as found:
        yield found


@pytest.mark.parametrize("scenario", QUICK, ids=[scenario.name for scenario in QUICK])
def test_nothing_wrong_nothing_lost(world, scenario):
    row = run(scenario, world, quick=True)
    assert row.wrong == []
    assert row.lost == []
    assert row.requests > 0
    assert row.checked["enrolments"] > 0
    assert row.recovery is not None
