"""A command says what it can do without loading what only serving needs."""

import subprocess
import sys

import pytest

from tests.support.stack import ROOT

HEAVY = "apprise babel cryptography flask gevent phonenumbers pydantic redis requests twilio".split()


@pytest.mark.parametrize("words", [["--help"], ["--version"]])
def test_help_loads_nothing_heavy(words):
    code = f"""
import sys
from service.cli.main import app
app({words!r}, standalone_mode=False)
print("loaded:", *sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "loaded:"
