"""Whose code a sample is counted as."""

import pytest

from tests.bench.profile import _part, _print_shares

LIBRARY = "/x/.venv/lib/python3.11/site-packages"
SEND = f"send ({LIBRARY}/gevent/_socketcommon.py:716)"
EXCHANGE = "exchange (/x/service/store/exchange.py:37)"
DIGEST = "digest (/usr/lib/python3.11/hmac.py:198)"


@pytest.mark.parametrize(
    ("frames", "part"),
    [
        ([EXCHANGE, SEND], "gevent"),
        ([SEND, EXCHANGE], "service/store/exchange.py"),
        ([EXCHANGE, DIGEST], "service/store/exchange.py"),  # what Python's library does is its caller's doing
        ([f"dumps ({LIBRARY}/msgspec.py:1)"], "msgspec"),
        (["floor (/x/tests/bench/floor.py:30)"], "tests/bench/floor.py"),
        ([DIGEST], "Python's own"),
        (["process 12"], "Python's own"),
    ],
)
def test_the_innermost_that_is_somebodys(frames, part):
    assert _part(frames) == part


def test_shares_are_told_as_time_of_a_request(capsys):
    _print_shares([([EXCHANGE], 3), ([EXCHANGE, SEND], 1)], 0.001, functions=1)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["750", "us", "75.0%", "service/store/exchange.py"] in lines
    assert ["250", "us", "25.0%", "gevent"] in lines
    assert ["1000", "us", "100.0%", "exchange", "(store/exchange.py)"] in lines
