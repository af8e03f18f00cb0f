"""The fixtures of a running service."""

import json

import pytest

from tests.support.commands import otp_fallback
from tests.support.people import *  # noqa: F403 - fixtures are found by their names here


@pytest.fixture
def cli():
    """Runs a command in an environment; its JSON where it prints some."""

    def run(env, *words, code=0):
        done = otp_fallback(env, *map(str, words))
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in words and code == 0 else done.stdout + done.stderr

    return run
