"""Exchanges that begin at once go out together, and none of them feels another."""

import json
import subprocess
import sys

import pytest

from tests.support.stack import ROOT

MANY = 20


@pytest.fixture(scope="module")
def found(server):
    command = [sys.executable, "-m", "tests.store.together", server.redis_url, str(MANY)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_has_its_own_answers_and_its_own_refusals(found):
    odd, even = "ResponseError", "int"
    expected = [[True, f"<{number}>", odd if number % 2 else even] for number in range(MANY)]
    assert found["own_answers"]["answers"] == expected


def test_they_take_one_round_trip(found):
    assert found["own_answers"]["reads"] == 1


def test_one_that_is_killed_takes_no_other_with_it(found):
    assert found["one_gives_up"] == ["-", *(f"<{number}>" for number in range(1, MANY))]


def test_all_are_told_when_their_connection_ends_and_the_next_have_another(found):
    assert found["connection_ends"]["broken"] == ["ConnectionError"] * MANY
    assert found["connection_ends"]["after"] == [[True]] * MANY


def test_what_must_be_on_disk_waits_for_it_together(found):
    assert found["durable"]["answers"] == [[True]] * MANY
    assert found["durable"]["waits"] == 1


def test_where_many_wait_for_the_disk_others_gather_and_hold_no_connection_each(found):
    assert found["crowded"]["answers"] == [[True, 0]] * (MANY + 1)
    assert found["crowded"]["waits"] == 2  # the first, and those who came meanwhile


def test_a_long_one_keeps_nobody_waiting(found):
    assert found["long_alone"]["answers"][1:] == [1] * (MANY - 1)
    assert found["long_alone"]["reads"] == 2


def test_a_silent_server_is_told_to_each_by_an_error_of_its_own(found):
    assert found["silent"]["answers"] == ["DeadlineExceeded"] * MANY
    assert found["silent"]["errors"] == MANY
