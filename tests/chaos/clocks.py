"""Clocks that jump: that of the service's processes, and that of Valkey, through `clock.c`.

The callers' clock goes on as it should, so their apps show what is right.
"""

from tests.chaos.callers import Terms
from tests.chaos.trial import Scenario, Trial
from tests.chaos.world import Setting

HOUR = 3600
STEP = 40  # seconds back: more than a time step, so that a code of just now is of the future, or of now again
HOLD = 4.0  # seconds


def service(trial: Trial) -> None:
    """An hour ahead, an hour behind, and back; at each place, what was used stays used."""
    for seconds in (HOUR, -HOUR, 0):
        trial.world.service_clock.move(seconds)
        trial.hold(HOLD)
        trial.replay("backup_code")


def replayed(trial: Trial) -> None:
    """Some seconds back, where a used code of an app is the present one again."""
    for seconds in (-STEP, 0, STEP, 0):
        trial.replay("totp")
        trial.world.service_clock.move(seconds)
        trial.replay("totp")
        trial.hold(1.0)


def valkey(trial: Trial) -> None:
    """An hour ahead everything that expires has expired; an hour behind nothing does."""
    for seconds in (HOUR, -HOUR, 0):
        trial.world.valkey_clock.move(seconds)
        trial.hold(HOLD)
        trial.replay("backup_code")


_EXPIRED = frozenset({"challenge_expired", "challenge_not_found", "enrollment_not_found"})
_JUMPED = Terms(wrong_clock=True, ended=_EXPIRED)
_MOVABLE = Setting(clocks=True)

SCENARIOS = [
    Scenario("service's clock: 1 h ahead, 1 h behind", service, setting=_MOVABLE, terms=_JUMPED),
    Scenario(f"service's clock: {STEP} s back and forth", replayed, setting=_MOVABLE, terms=_JUMPED),
    Scenario("valkey's clock: 1 h ahead, 1 h behind", valkey, setting=_MOVABLE, terms=Terms(ended=_EXPIRED)),
]
