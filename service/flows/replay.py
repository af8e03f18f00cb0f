"""Replaying a trace of sends through the decision that runs live, to tune it on one's own history."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import msgspec

from service.domain.health.delays import HORIZON
from service.domain.health.monitor import Monitor
from service.domain.health.route import Transition

_SWEEP = 20_000  # lines between sweeps of sends that nothing can be said of any more


class TraceFault(Exception):
    """A line of a trace can't be read. `str()` names the line and what was expected."""


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One event. `t` in seconds; `id` names a send, and in what follows it, the send it is about."""

    t: float
    route: str
    event: Literal["send", "approved", "not_received", "fault", "delivered", "undelivered"]
    id: str | None = None


def replay(lines: Iterable[bytes], monitor: Monitor | None = None) -> Iterator[Transition]:
    """Decide on a trace; yields the transitions as they happen.

    While a route is open, only those of the trace's sends count that the breaker would have let through.

    Raises:
        TraceFault: a line is malformed, or goes back in time.
    """
    monitor = monitor or Monitor()
    decode = msgspec.json.Decoder(Line).decode
    sends: dict[str, tuple[str, float]] = {}
    last = -math.inf
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        line = _read(decode, raw, number, last)
        last = line.t
        yield from monitor.advance(line.t)
        yield from _apply(monitor, line, sends)
        if number % _SWEEP == 0:
            oldest = line.t - HORIZON - 10
            sends = {name: send for name, send in sends.items() if send[1] > oldest}


def _read(decode: Callable[[bytes], Line], raw: bytes, number: int, last: float) -> Line:
    try:
        line = decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TraceFault(f"line {number}: {error}") from None
    if not math.isfinite(line.t) or line.t < last:
        raise TraceFault(f"line {number}: t must be a number not less than that of the line before")
    if not line.route:
        raise TraceFault(f"line {number}: route must not be empty")
    if line.id is None and line.event in ("approved", "not_received"):
        raise TraceFault(f"line {number}: {line.event} must name its send by id")
    return line


def _apply(monitor: Monitor, line: Line, sends: dict[str, tuple[str, float]]) -> list[Transition]:
    match line.event:
        case "send" | "fault":
            name = line.id if line.id is not None else repr(line.t)
            if monitor.admit(line.route, line.t, name) == "refuse":
                return []
            if line.event == "fault":
                return monitor.route(line.route).fault(line.t)
            if line.id is not None:
                sends[line.id] = (line.route, line.t)
            return monitor.route(line.route).sent(line.t)
        case "approved" if (send := sends.pop(line.id or "", None)) is not None:
            return monitor.route(send[0]).approved(line.t, send[1])
        case "not_received" | "undelivered" if (send := sends.pop(line.id or "", None)) is not None:
            monitor.route(send[0]).failed(send[1], reported=line.event == "undelivered")
    return []  # `delivered` speaks for nothing: carriers report it of messages nobody gets
