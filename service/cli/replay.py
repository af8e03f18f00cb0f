"""`otp-fallback replay`."""

from service.cli.files import lines_of
from service.cli.output import as_json, fail
from service.domain.health.route import Transition
from service.flows.replay import TraceFault
from service.flows.replay import replay as replay_trace


def replay(file: str, json_output: bool) -> None:
    """Print each transition: as JSON lines, or in columns."""
    try:
        with lines_of(file, "replaying") as trace:
            for transition in replay_trace(trace):
                _show(transition, json_output)
    except TraceFault as fault:
        fail(f"{file}: {fault}")
    except OSError as error:
        fail(f"{file}: {error.strerror}")


def _show(transition: Transition, json_output: bool) -> None:
    t, route, source, to, reason = transition
    if json_output:
        as_json({"t": t, "route": route, "from": source, "to": to, "reason": reason})
    else:
        print(f"{t:>16.3f}  {route:<28} {source:>9} -> {to:<9}  {reason}")
