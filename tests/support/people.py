"""Fixtures: one running service per file; every test gets a user and a number of its own."""

import itertools
import json
from collections.abc import Iterator

import pytest

from tests.support.commands import otp_fallback
from tests.support.stack import Stack, running

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def options() -> dict:
    """What a file's service is started with; files override it."""
    return {}


@pytest.fixture(scope="module")
def running_stack(options) -> Iterator[Stack]:
    with running(**options) as stack:
        yield stack


@pytest.fixture
def stack(running_stack) -> Iterator[Stack]:
    running_stack.sandbox.reset()
    yield running_stack
    running_stack.sandbox.heal()


@pytest.fixture
def api(stack):
    return stack.api


@pytest.fixture
def sandbox(stack):
    return stack.sandbox


class Person:
    """Somebody nobody has seen before."""

    def __init__(self) -> None:
        number = next(_numbers)
        self.id = f"user-{number}@people.example"
        self.phone = f"+1415555{number:04d}"
        self.email = f"box-{number}@mail.example"


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
def people():
    return Person


@pytest.fixture
def cli(stack):
    """Runs a command against the service; its JSON where it prints some."""

    def run(*words, code=0):
        done = otp_fallback(stack.env, *map(str, words))
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in words else done.stdout

    return run
