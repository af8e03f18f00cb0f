"""The service's parts in this process, with a clock in the test's hand, on a real Valkey and sandbox."""

import itertools

import pytest

from service.domain.contacts import Email, Phone
from service.flows.start import StartRequest
from tests.support.process import *  # noqa: F403 - fixtures are found by their names here
from tests.support.stack import Stack

_people = itertools.count(1)


@pytest.fixture(scope="module")
def server():
    stack = Stack()
    stack.start_valkey()
    stack.start_sandbox()
    yield stack
    stack.stop()


@pytest.fixture
def services(server, process):
    """Makes a process of the service; settings may be named."""
    server.sandbox.reset()
    ours = ("TWILIO_", "SMTP_", "MAIL_")
    env = {name: value for name, value in server.env.items() if name.startswith(ours)}

    def make(**settings):
        return process(**env, **settings)

    return make


@pytest.fixture
def start():
    """Starts a challenge of somebody new, who has a phone."""

    def run(services, *, user=None, phone=None, email=False, **fields):
        n = next(_people)
        return services.start(
            StartRequest(
                application=fields.pop("application", "default"),
                user_id=user or f"user-{n}",
                phone=Phone.parse(phone or f"+1415{2000000 + 10_000 * (n % 700) + n // 700}"),
                email=Email(f"user-{n}@mail.example") if email is True else email or None,
                **fields,
            )
        )

    return run
