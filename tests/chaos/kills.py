"""`kill -9`, of each process of the service and of Valkey, while logins go on."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.chaos.callers import Terms
from tests.chaos.trial import Scenario, Trial
from tests.chaos.world import Setting
from tests.support.stack import wait_until

CYCLES, QUICK_CYCLES = 20, 3  # of Valkey
WEB_KILLS = 6
VICTIMS = 6  # challenges whose mail is being sent when the worker dies
SENDS = 8  # seconds that one may take then
LEASE = 30.0  # seconds after which another worker takes over what one died with (`worker.loop.LEASE`)


def valkey(trial: Trial, cycles: int = CYCLES) -> None:
    """Again and again, each time in the middle of logins."""
    for cycle in range(cycles):
        trial.logins(3)
        time.sleep(0.01 * (cycle % 7))  # at another moment each time
        with trial.outage():
            trial.world.stack.valkey.kill()
            trial.world.restart_valkey()


def web_workers(trial: Trial) -> None:
    """One after the other, while sends wait for a provider that takes its time."""
    trial.world.twilio.set("latency", seconds=0.15)
    for number in range(WEB_KILLS):
        trial.logins(3)
        with trial.outage():
            trial.world.kill_a_web_worker(number)
    trial.world.twilio.clear()


@dataclass
class _Victim:
    """A user whose text does not arrive: the worker mails, and dies with it."""

    email: str
    challenge: dict[str, Any]


def worker(trial: Trial) -> None:
    """In the middle of mails that hang, which another worker then sends."""
    world = trial.world
    world.stack.sandbox.fail("not_delivered", country="+35")
    world.smtp.set("black_hole")
    before = world.smtp.set("black_hole")["seen"]
    victims = [_victim(trial, number) for number in range(VICTIMS)]
    wait_until(lambda: world.smtp.set("black_hole")["seen"] >= before + VICTIMS, 20)
    world.stack.worker.kill()  # every one of them is in its hands, none is done
    began = time.monotonic()
    states = [world.stack.api.get(victim.challenge["id"]) for victim in victims]
    if any(state["channel"] != "email" for state in states):
        trial.ledger.error("the worker died before it had begun, or after")
    world.smtp.clear()
    world.stack.worker.start()
    for victim in victims:
        _gets_in(trial, victim)
    trial.recoveries.append(time.monotonic() - began)


def _victim(trial: Trial, number: int) -> _Victim:
    email = f"victim-{number}-{time.time_ns()}@mail.example"
    phone = f"+351912{number:06d}"
    challenge = trial.world.stack.api.start(f"victim-{email}", phone=phone, email=email)
    return _Victim(email, challenge)


def _gets_in(trial: Trial, victim: _Victim) -> None:
    """One switch, and a code that works once."""
    stack, challenge = trial.world.stack, victim.challenge["id"]
    found = wait_until(lambda: stack.sandbox.messages(to=victim.email, channel="email", wait=5), LEASE + 15)
    code = found[0]["code"]
    switches = wait_until(lambda: stack.api.get(challenge)["switches"], 10)
    told = [(switch["from"], switch["to"], switch["reason"]) for switch in switches]
    if told != [("sms", "email", "not_delivered")]:
        trial.ledger.error(f"switches of a challenge whose worker died: {told}")
    first, second = (stack.api.verify(challenge, code) for _ in range(2))
    if not first.json().get("valid") or second.json().get("code") != "challenge_approved":
        trial.ledger.error(f"a mail's code: {first.text}, then {second.text}")


_BROKEN = Terms(breaks=True, patience=15.0)  # with no worker left, requests wait until one has started
_NO_MAIL = Terms(journeys=("app", "backup_code", "mode"))

QUICK = [Scenario(f"kill -9 of valkey, {QUICK_CYCLES} times", partial(valkey, cycles=QUICK_CYCLES))]

SCENARIOS = [
    Scenario(f"kill -9 of valkey, {CYCLES} times", valkey, must_be_unavailable=True),
    Scenario(f"kill -9 of web workers, {WEB_KILLS} times", web_workers, terms=_BROKEN),
    Scenario(
        "kill -9 of the worker amid hanging mails",
        worker,
        terms=_NO_MAIL,
        setting=Setting(send_deadline=SENDS),
    ),
]
