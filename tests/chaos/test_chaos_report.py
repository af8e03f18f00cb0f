"""What `make chaos` prints, and how it ends."""

import json
import sys

import pytest

from tests.chaos import __main__ as chaos
from tests.chaos.trial import Row

GOOD = Row("redis: reset", requests=10, recovery=0.5)
WRONG = Row("redis: stall", wrong=["GET /v1/x: 500"], recovery=0.0)
LOST = Row("kill -9", lost=["the app of ada is gone"], recovery=0.0)
SKIPPED = Row("disk full", skipped="needs root")


@pytest.fixture
def end(monkeypatch, capsys):
    """The exit code, and what was printed."""

    def run(rows, *words):
        monkeypatch.setattr(sys, "argv", ["chaos", *words])
        monkeypatch.setattr(chaos, "tried", lambda *_args, **_options: iter(rows))
        with pytest.raises(SystemExit) as ended:
            chaos.main()
        return ended.value.code, capsys.readouterr().out

    return run


def test_all_is_well(end):
    code, text = end([GOOD, SKIPPED])
    assert code == 0
    assert "redis: reset" in text
    assert "needs root" in " ".join(text.split())


@pytest.mark.parametrize(("row", "sentence"), [(WRONG, "GET /v1/x: 500"), (LOST, "the app of ada is gone")])
def test_what_is_wrong_or_lost_is_told_and_is_the_exit_code(end, row, sentence):
    code, text = end([GOOD, row])
    assert code == 1
    assert sentence in text


def test_for_scripts(end):
    code, text = end([GOOD, WRONG], "--json")
    report = json.loads(text)
    assert code == 1
    assert [trial["bad"] for trial in report["trials"]] == [False, True]


def test_a_choice_of_nothing(end):
    code, _ = end([], "--only", "no such thing")
    assert code == "no such trial; --list names them"
