"""The incidents that the lab knows, and what is measured of each."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

from service.domain.health.monitor import Monitor
from tests.lab.plain import PlainCusum
from tests.lab.world import Outcome, Traffic, simulate

SMS = "twilio_verify/sms"
US, INDIA, GERMANY = f"{SMS}/+1", f"{SMS}/+91", f"{SMS}/+49"
LEARN = 3000.0  # seconds of health before the trouble
LASTS = 900.0  # seconds of trouble, where recovery is measured


@dataclass(frozen=True)
class Result:
    """Of one seed. `seconds`: from the trouble to the opening; `None`: it did not open."""

    seconds: float | None
    sends: int = 0
    matured: int = 0
    lost_time: int = 0
    close_seconds: float | None = None
    wrong: int = 0  # other routes that opened
    plain_seconds: float | None = None


@dataclass(frozen=True)
class Scenario:
    """One kind of incident. `matured_target`: by how many matured sends it must be open in 9 of 10 seeds."""

    name: str
    run: Callable[[int], Result]
    matured_target: int | None = None
    must_open: bool = True


def _incident(
    make: Callable[[float], list[Traffic]],
    victim: str,
    *,
    lasts: float = LASTS,
    learn: float = LEARN,
    recover: bool = True,
) -> Callable[[int], Result]:
    def run(seed: int) -> Result:
        begins = learn + seed % 7
        until = simulate(make(begins), begins + lasts, seed, trouble_at=begins, until_open=victim)
        opened = until.opened(victim, begins)
        close = None
        wrong = len({t.route for t in until.transitions if t.to == "open"} - {victim})
        if opened is not None and recover:
            whole = simulate(make(begins), begins + lasts + 1800, seed, trouble_at=begins)
            closed = whole.closed(victim, begins + lasts)
            close = closed - begins - lasts if closed is not None else None
        return Result(
            opened - begins if opened is not None else None,
            until.sends_after.get(victim, 0),
            until.matured_after.get(victim, 0),
            until.lost_time,
            close,
            wrong,
            _plain(make(begins), begins, lasts, seed, victim),
        )

    return run


def _plain(traffic: list[Traffic], begins: float, lasts: float, seed: int, victim: str) -> float | None:
    """When the plain CUSUM would have alarmed, in the same world without a breaker."""
    plain = PlainCusum()
    watched: dict[str, PlainCusum] = {victim: plain}

    class Ears(Monitor):
        alarm: float | None = None

        def route(self, name: str):  # type: ignore[no-untyped-def]
            real = super().route(name)
            if name not in watched:
                return real
            return _Spy(real, watched[name])

        def admit(self, name: str, at: float, send_id: str):  # type: ignore[no-untyped-def]
            return "send"

        def advance(self, to: float):  # type: ignore[no-untyped-def]
            if plain.advance(to) and to >= begins and self.alarm is None:
                self.alarm = to
            return []

    ears = Ears()
    simulate(traffic, begins + lasts, seed, monitor=ears)
    return ears.alarm - begins if ears.alarm is not None else None


class _Spy:
    def __init__(self, _route: object, plain: PlainCusum) -> None:
        self._plain = plain

    def sent(self, at: float) -> list[object]:
        self._plain.sent(at)
        return []

    def fault(self, _at: float) -> list[object]:
        return []

    def approved(self, _at: float, sent_at: float) -> list[object]:
        self._plain.approved(sent_at)
        return []

    def censored(self, _at: float, _sent_at: float) -> None:
        """A plain test knows of no other factors."""


def _between(begins: float, lasts: float, inside: float, outside: float) -> Callable[[float], float]:
    return lambda t: inside if begins <= t < begins + lasts else outside


def _delivery(begins: float, lasts: float, share: float, carrier: str | None = None):  # type: ignore[no-untyped-def]
    def delivered(t: float, by: str | None) -> float:
        return share if begins <= t < begins + lasts and carrier in (None, by) else 1.0

    return delivered


def _faults(share: float, rate: float = 1.0) -> Callable[[int], Result]:
    return _incident(lambda b: [Traffic(US, rate, fault=_between(b, LASTS, share, 0.0))], US)


def _silent(share: float, rate: float = 1.0, **more: object) -> Callable[[int], Result]:
    return _incident(lambda b: [Traffic(US, rate, delivered=_delivery(b, LASTS, share), **more)], US)  # type: ignore[arg-type]


def _country(begins: float) -> list[Traffic]:
    return [
        Traffic(US, 1.0),
        Traffic(INDIA, 1.0, delivered=_delivery(begins, LASTS, 0.0)),
        Traffic(GERMANY, 0.3),
    ]


JIO, AIRTEL = "405-840", "404-10"


def _one_carrier(begins: float) -> list[Traffic]:
    carriers = ((JIO, 0.3), (AIRTEL, 0.5))
    return [Traffic(INDIA, 2.0, delivered=_delivery(begins, LASTS, 0.0, JIO), carriers=carriers)]


def _flapping(begins: float) -> list[Traffic]:
    def fault(t: float) -> float:
        return 1.0 if begins <= t < begins + LASTS and int((t - begins) / 60) % 2 == 0 else 0.0

    return [Traffic(US, 1.0, fault=fault)]


def _drifting(t: float) -> float:
    return 0.75 + 0.10 * math.sin(2 * math.pi * t / 86_400)


def _slow(begins: float) -> list[Traffic]:
    """Half the calls take longer than the deadline: they count as faults."""
    return [Traffic(US, 1.0, fault=_between(begins, LASTS, 0.5, 0.0))]


def _low(alone: bool, others_fail: bool) -> Callable[[int], Result]:
    hours = 6 * 3600.0

    def make(begins: float) -> list[Traffic]:
        lost = _delivery(begins, hours, 0.0)
        traffic = [Traffic(US, 1 / 60, delivered=lost)]
        if not alone:
            for n in range(12):
                name = f"{SMS}/+{30 + n}"
                traffic.append(
                    Traffic(name, 1 / 60, delivered=lost) if others_fail else Traffic(name, 1 / 60)
                )
        return traffic

    return _incident(make, US, lasts=hours, learn=6 * 3600.0, recover=False)


SCENARIOS = [
    Scenario("hard down", _faults(1.0)),
    Scenario("a third of calls fails", _faults(1 / 3)),
    Scenario("slow: half of calls late", _incident(_slow, US)),
    Scenario("silent, total", _silent(0.0), matured_target=15),
    Scenario("silent, total, 10 a second", _silent(0.0, rate=10.0), matured_target=15),
    Scenario("silent, total, 6 a minute", _silent(0.0, rate=0.1), matured_target=15),
    Scenario("silent, total, nobody has a fallback", _silent(0.0, fallback=0.0), matured_target=15),
    Scenario("silent, total, slow typists", _silent(0.0, median=25.0, sigma=0.6), matured_target=15),
    Scenario("silent, half", _silent(0.5), matured_target=60),
    Scenario("silent, half, 10 a second", _silent(0.5, rate=10.0), matured_target=60),
    Scenario("silent, half, nobody has a fallback", _silent(0.5, fallback=0.0), matured_target=60),
    Scenario("one country", _incident(_country, INDIA), matured_target=15),
    Scenario("one carrier", _incident(_one_carrier, f"{INDIA}/{JIO}"), matured_target=15),
    Scenario("flapping, 60 s up and down", _incident(_flapping, US)),
    Scenario("1 a minute, alone", _low(alone=True, others_fail=False), matured_target=15),
    Scenario("1 a minute, siblings well", _low(alone=False, others_fail=False), matured_target=15),
    Scenario("1 a minute, siblings fail too", _low(alone=False, others_fail=True), matured_target=15),
]

HEALTHY = {
    "steady 75 %": lambda _t: 0.75,
    "drift 65-85 % a day": _drifting,
}


def healthy(kind: str, sends: int, seed: int, rate: float = 1.0) -> Outcome:
    """A healthy route: every opening is a false one."""
    return simulate([Traffic(US, rate, conversion=HEALTHY[kind])], math.inf, seed, limit=sends)


def healthy_plain(kind: str, sends: int, seed: int) -> int:
    """False alarms of the plain CUSUM."""
    random_, plain, alarms, t = random.Random(seed), PlainCusum(), 0, 0.0
    for _ in range(sends):
        t += random_.expovariate(1.0)
        alarms += plain.advance(t)
        plain.sent(t)
        if random_.random() < HEALTHY[kind](t):
            plain.approved(t)
    return alarms
