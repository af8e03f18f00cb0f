"""What `make bench` makes of what it measured, and how it ends. No speed is tested here."""

import json
import sys
from types import SimpleNamespace

import pytest

from tests.bench import __main__ as bench
from tests.bench import wrk
from tests.bench.goals import Row
from tests.bench.wrk import Measured, RoundFailed, parse

FAST = Row("verify e-mail code", "of the floor's rate", 0.61, "x", least=0.5)
SMALL = Row("1000 users", "Redis for a user", 1300, "bytes", most=1536)
SLOW = Row("start over SMS", "starts a second", 312.0, "/s", least=400)
FIGURE = Row("web worker", "files", 12)


def wrk_says(**faults):
    told = {"requests": 1000, "duration": 2_000_000, "median": 5000, "p99": 20_000}
    return "Running 2s test\n" + json.dumps({**told, "faults": {"status": 0, "timeout": 0, **faults}})


def test_a_round_is_read():
    assert parse(wrk_says()) == Measured(requests=1000, duration=2.0, median=0.005, p99=0.02)
    assert parse(wrk_says()).rate == 500


def test_a_round_with_another_answer_than_2xx_is_no_number():
    with pytest.raises(RoundFailed, match="status"):
        parse(wrk_says(status=1))


def test_without_wrk_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(wrk.shutil, "which", lambda _name: None)
    monkeypatch.setattr(sys, "argv", ["bench"])
    with pytest.raises(SystemExit, match="apt-get install wrk"):
        bench.main()


@pytest.fixture
def end(monkeypatch, capsys, tmp_path):
    """The exit code, what was printed, and what was written."""

    def run(rows, failure=None):
        def measure():
            if failure is not None:
                raise failure

        file = tmp_path / "bench.json"
        monkeypatch.setattr(sys, "argv", ["bench", "--json", str(file)])
        monkeypatch.setattr(bench, "Trial", lambda *_: SimpleNamespace(rows=rows, facts={}, run=measure))
        monkeypatch.setattr(wrk.shutil, "which", lambda _name: "/usr/bin/wrk")
        with pytest.raises(SystemExit) as ended:
            bench.main()
        return ended.value.code, " ".join(capsys.readouterr().out.split()), json.loads(file.read_text())

    return run


def test_all_goals_are_met(end):
    code, text, report = end([FAST, SMALL, FIGURE])
    assert code == 0
    assert "met" in text
    assert "missed" not in text
    assert report["missed"] == []
    assert [row["value"] for row in report["rows"]] == [0.61, 1300, 12]


def test_a_missed_goal_is_named_and_is_the_exit_code(end):
    code, text, report = end([FAST, SLOW])
    assert code == 1
    assert "missed: start over SMS: starts a second is 312, not >= 400 /s" in text
    assert report["missed"] == ["start over SMS: starts a second"]


def test_a_failed_round_is_told_and_what_came_before_is_kept(end):
    code, text, report = end([FAST], RoundFailed("7 answers, and not well"))
    assert "7 answers" in code  # printed to stderr, and the exit code is 1
    assert "0.61 x" in text
    assert "7 answers" in report["failed"]
