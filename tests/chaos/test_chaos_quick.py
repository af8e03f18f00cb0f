"""A small chaos, for every test run: what `make chaos` does with more faults, for longer."""

import pytest

from tests.chaos.scenarios import quick, tried

QUICK = [scenario.name for scenario in quick()]


@pytest.fixture(scope="module")
def rows():
    """Of all trials; each is tried when its test comes."""
    return {row.fault: row for row in tried(quick(), quick=True)}


@pytest.mark.parametrize("fault", QUICK)
def test_nothing_wrong_nothing_lost(rows, fault):
    row = rows[fault]
    assert row.skipped is None
    assert row.wrong == []
    assert row.lost == []
    assert row.requests > 0
    assert row.checked["enrolments"] > 0
    assert row.recovery is not None
