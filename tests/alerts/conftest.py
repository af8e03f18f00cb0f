"""A place that alerts go to, and what the worker does."""

import msgspec
import pytest

from service.store.health import OutboxEvent, RouteState
from tests.support.process import *  # noqa: F403 - fixtures are found by their names here
from tests.support.receiver import receiving

ROUTE, OTHER = "twilio_verify/sms/+91", "twilio_verify/sms/+1"


@pytest.fixture
def receiver():
    with receiving() as found:
        yield found


class Worker:
    """What the deciding worker does, step by step, on transitions that a test makes up."""

    def __init__(self, services, clock, redis):
        self.services, self.clock, self._redis = services, clock, redis
        self._offsets: dict[str, str] = {}
        self._entries = 0

    def circuit(self, to, route=ROUTE, reason="consecutive_faults"):
        """A breaker changes: the incidents hear of it, and what they write is what the alerts read."""
        self._entries += 1
        data = {"route": route, "from": "x", "to": to, "reason": reason}
        name = f"{self.clock.now}-{self._entries}"
        state = msgspec.json.encode(RouteState(state=to, since=self.clock.now, reason=reason))
        self._redis.hset("otp:{health}:states", route, state)
        self.services.incidents.note(
            [OutboxEvent("00", name, f"provider.circuit_{to}", self.clock.now, data)]
        )
        self.step()

    def healthy(self, route):
        """A route with traffic, so that another one's trouble is not everybody's."""
        from service.store.health import Evidence

        state = RouteState(state="closed", since=1, reason="", evidence=Evidence(sends=5))
        self._redis.hset("otp:{health}:states", route, msgspec.json.encode(state))

    def step(self):
        """Read the outbox, and send what is due."""
        events = list(self.services.health.read(self._offsets))
        for event in events:
            self._offsets[event.partition] = event.entry
        self.services.alerts.note(events)
        self.send()

    def hear(self, *events):
        self.services.alerts.note(events)
        self.send()

    def send(self):
        for job in self.services.alerts.claim():
            self.services.alerts(job)


@pytest.fixture
def worker(process, clock, redis, receiver):
    services = process(OTP_ALERT_URLS=f"json://127.0.0.1:{receiver.port}/a")
    found = Worker(services, clock, redis)
    found.healthy(OTHER)
    return found


@pytest.fixture
def alerts(receiver):
    """The titles that arrived."""
    return lambda: [posted.json["title"].split(" inc_")[0] for posted in receiver.posts]
