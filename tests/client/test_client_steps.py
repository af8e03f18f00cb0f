"""When it tries again, and when not: the steps of calls, in a world that is made up, without I/O."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.client import Conflict, LimitReached, NoAnswer, Refused, Unavailable, calls, models
from service.client.exchange import FIRST_PAUSE, LONGEST_PAUSE, Exchange, Lost, Pause, Reply, Send

LOST = Lost("ReadTimeout")
ENDED = Reply(200, {}, json.dumps({"mode": "auto", "settings": []}).encode())


def refused(status, code="x", retry_after=None, **extra):
    headers = {"retry-after": str(retry_after)} if retry_after is not None else {}
    return Reply(
        status, headers, json.dumps({"code": code, "detail": "d", "request_id": "r", **extra}).encode()
    )


class World:
    """Answers as told, the last one for ever; time passes by pauses and by what an answer takes."""

    def __init__(self, *answers, takes=0.01, chance=0.5, **options):
        self.answers, self.takes = list(answers), takes
        self.time = 1000.0
        self.sent: list[Send] = []
        self.pauses: list[float] = []
        counter = iter(range(1000))
        self.exchange = Exchange(
            **{"timeout": 20.0, "attempt": 10.0, "patience": 5.0, **options},
            clock=lambda: self.time,
            now=lambda: 1_800_000_000.0,
            chance=lambda: chance,
            new_key=lambda: f"key-{next(counter)}",
        )

    def run(self, call, *args, **kwargs):
        steps, outcome = call(self.exchange, *args, **kwargs), None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                return done.value
            if isinstance(step, Pause):
                self.pauses.append(step.seconds)
                self.time += step.seconds
                outcome = None
            else:
                self.sent.append(step)
                self.time += self.takes
                outcome = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def test_every_try_of_a_post_has_the_same_key_and_body():
    world = World(LOST, refused(503), refused(502, "unknown"), ENDED)
    world.run(calls.clear_mode, reason="over", country="+91")
    assert len(world.sent) == 4
    assert len({(s.headers["idempotency-key"], s.body) for s in world.sent}) == 1
    world.run(calls.clear_mode, reason="over", country="+91")
    assert world.sent[-1].headers["idempotency-key"] != world.sent[0].headers["idempotency-key"]


def test_reads_have_no_key():
    world = World(LOST, ENDED)
    world.run(calls.mode)
    assert [s.headers for s in world.sent] == [{}, {}]


def test_a_key_of_ones_own():
    world = World(LOST, refused(422))
    with pytest.raises(Refused):
        world.run(calls.start, "alice", idempotency_key="login-7")
    assert [s.headers["idempotency-key"] for s in world.sent] == ["login-7"] * 2


@pytest.mark.parametrize(
    "answer",
    [
        refused(400), refused(401), refused(403), refused(404), refused(409), refused(410), refused(413),
        refused(422), refused(429), refused(500), refused(429, "resend_too_soon", 30),
        refused(503, "check_unavailable", 5, accepts=["totp"]), Reply(418, {}, b"<html>"),
    ],
)  # fmt: skip
def test_what_is_no_use_is_not_tried_again(answer):
    world = World(answer)
    with pytest.raises(Refused):
        world.run(calls.start, "alice")
    assert len(world.sent) == 1
    assert world.pauses == []


def test_one_that_is_still_running_is_waited_for():
    """The answer was lost, and the first try is not done yet."""
    world = World(LOST, refused(409, "idempotency_key_in_use", 1), ENDED)
    world.run(calls.clear_mode, reason="over", country="+91")
    assert world.pauses == [0.75 * FIRST_PAUSE, 1 + 0.75 * FIRST_PAUSE * 2]


def test_a_short_retry_after_is_waited_for_and_a_long_one_told():
    world = World(refused(429, "rate_limited", 3, limit="address"), ENDED)
    world.run(calls.mode)
    assert 3 <= world.pauses[0] < 4
    with pytest.raises(LimitReached) as caught:
        World(refused(429, "rate_limited", 6, limit="address")).run(calls.mode)
    assert (caught.value.retry_after, caught.value.limit) == (6, "address")


def test_not_beyond_the_time_that_there_is():
    world = World(refused(429, "rate_limited", 4), timeout=3.0)
    with pytest.raises(LimitReached):
        world.run(calls.mode)
    assert len(world.sent) == 1


def test_a_conditional_change_is_tried_once():
    """Its repetition would meet the version that it made itself."""
    world = World(LOST)
    with pytest.raises(NoAnswer):
        world.run(calls.set_mode, "auto", reason="x", version=3)
    assert len(world.sent) == 1
    world = World(refused(409, "mode_changed", version=4))
    with pytest.raises(Conflict):
        world.run(calls.set_mode, "auto", reason="x", version=3)


def test_what_is_gone_was_removed_by_the_try_before_only():
    world = World(LOST, refused(404))
    assert world.run(calls.forget, "alice") is None
    with pytest.raises(Refused):
        World(refused(503), refused(404)).run(calls.forget, "alice")


@given(
    st.lists(st.sampled_from([LOST, refused(503), refused(503, retry_after=2), refused(429, "x", 1)]), min_size=1, max_size=40),
    st.floats(0, 12), st.floats(0, 0.999), st.floats(0.1, 60),
)  # fmt: skip
def test_it_ends_in_time(answers, takes, chance, timeout):
    world = World(*answers, takes=takes, chance=chance, timeout=timeout)
    world.takes = min(takes, timeout)
    with pytest.raises((NoAnswer, Unavailable, LimitReached)):
        world.run(calls.mode)
    assert world.time <= 1000 + timeout + world.takes + 0.001
    assert all(0 < s.timeout <= min(10.0, timeout) + 1e-6 for s in world.sent)
    assert all(pause <= LONGEST_PAUSE * 2 for pause in world.pauses)


def state(status="pending", **fields):
    return {
        "id": "ch_1", "status": status, "channel": "sms", "accepts": ["sms"], "attempts_remaining": 5,
        "channels": [], "created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-01T00:10:00Z", **fields,
    }  # fmt: skip


def seen(mark="1-pending", **fields):
    return Reply(200, {"etag": mark}, json.dumps(state(**fields)).encode())


def test_waiting_asks_with_what_is_known_and_as_long_as_is_left():
    world = World(seen(), takes=0)
    handle = calls.Handle(world.run(calls.start, "alice"))
    world.takes = 50
    assert world.run(calls.wait, handle, 120) is False
    waits = [s.path.partition("?wait=")[2] for s in world.sent[1:]]
    assert waits == ["50", "50", "20"]
    assert all(s.headers["if-none-match"] == "1-pending" for s in world.sent[1:])
    assert all(s.timeout >= int(w) for s, w in zip(world.sent[1:], waits, strict=True))


def test_a_change_that_nobody_sees_is_waited_over():
    """The service counts changes that are none to the caller."""
    world = World(seen("1"), seen("2"), seen("3", status="approved"), takes=1)
    handle = calls.Handle(world.run(calls.start, "alice"))
    assert world.run(calls.wait, handle, 60) is True
    assert handle.is_approved
    assert len(world.sent) == 3


def test_what_a_newer_service_adds_is_passed_over():
    world = World(seen(status="frozen", channel="carrier_pigeon", invented={"a": 1}))
    handle = calls.Handle(world.run(calls.start, "alice"))
    assert (handle.status, handle.channel, handle.is_pending) == ("frozen", "carrier_pigeon", False)


def test_a_handle_shows_where_it_is():
    channels = [{"channel": "sms", "state": "sent", "to": "+1***"}, {"channel": "totp", "state": "ready"}]
    handle = calls.Handle(World(seen(channels=channels)).run(calls.get, "ch_1"))
    assert handle.prompt == models.ChannelState(channel="sms", state="sent", to="+1***")
    assert repr(handle) == "<Handle ch_1 pending sms>"
