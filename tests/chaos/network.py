"""Faults of the network, between the service and each of those that it needs."""

from collections.abc import Callable
from dataclasses import replace

from tests.chaos.callers import Terms
from tests.chaos.trial import Scenario, Trial
from tests.chaos.world import Setting, World
from tests.support.fault_proxy import FaultProxy

HOLD = 5.0  # seconds
MAIL = Terms(journeys=("mail", "mail", "app", "message"))
TEXT = Terms(journeys=("message", "message", "app"))


def broken(which: Callable[[World], FaultProxy], kind: str, **details: float) -> Callable[[Trial], None]:
    """Break a connection, let logins go on, mend it."""

    def act(trial: Trial) -> None:
        proxy = which(trial.world)
        proxy.set(kind, **details)
        trial.hold(HOLD)
        proxy.clear()

    return act


def _redis(world: World) -> FaultProxy:
    return world.redis


def _twilio(world: World) -> FaultProxy:
    return world.twilio


def _smtp(world: World) -> FaultProxy:
    return world.smtp


def _of_redis(name: str, kind: str, *, quick: bool = False, away: bool = True, **details: float) -> Scenario:
    return Scenario(f"redis: {name}", broken(_redis, kind, **details), quick=quick, must_be_unavailable=away)


def _of_twilio(name: str, kind: str, *, quick: bool = False, **details: float) -> Scenario:
    scenario = Scenario(
        f"twilio: {name}", broken(_twilio, kind, **details), terms=TEXT, by="sms", quick=quick
    )
    return replace(scenario, setting=Setting(own=name))  # the breaker's wait doubles from outage to outage


def _of_smtp(name: str, kind: str, *, quick: bool = False, **details: float) -> Scenario:
    return Scenario(f"smtp: {name}", broken(_smtp, kind, **details), terms=MAIL, by="email", quick=quick)


SCENARIOS = [
    _of_redis("latency 100 ms each way", "latency", seconds=0.1, away=False),
    _of_redis("reset", "reset"),
    _of_redis("answers lost", "lost_answer", share=0.1, quick=True),
    _of_redis("black hole", "black_hole", quick=True),
    _of_redis("stall, arrives late", "stall"),
    _of_redis("half-open", "half_open"),
    _of_redis("trickle", "trickle", seconds=0.02),
    _of_redis("answers trickle", "trickle_answers", seconds=0.02),
    _of_smtp("latency 100 ms each way", "latency", seconds=0.1),
    _of_smtp("reset", "reset"),
    _of_smtp("answers lost", "lost_answer", share=0.2),
    _of_smtp("black hole", "black_hole"),
    _of_smtp("half-open", "half_open"),
    _of_smtp("trickle", "trickle", seconds=0.1),
    _of_twilio("latency 100 ms each way", "latency", seconds=0.1),
    _of_twilio("reset", "reset"),
    _of_twilio("answers lost", "lost_answer", share=0.3),
    _of_twilio("black hole", "black_hole"),
    _of_twilio("half-open", "half_open", quick=True),
    _of_twilio("trickle", "trickle", seconds=0.1),
]
