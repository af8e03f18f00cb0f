"""The fixtures of a running service."""

import json
import subprocess
import sys

import pytest

from tests.support.people import *  # noqa: F403 - fixtures are found by their names here
from tests.support.stack import ROOT


@pytest.fixture
def cli():
    """Runs a command in an environment; its JSON where it prints some."""

    def run(env, *words, code=0):
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *map(str, words)],
            env=env, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in words and code == 0 else done.stdout + done.stderr

    return run
