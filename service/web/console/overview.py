"""`/console`: how things are, live."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from flask import Response, request, stream_with_context

from service.domain.channels import PRIMARY_PROVIDER
from service.domain.errors import StoreUnavailable, Unauthenticated
from service.domain.mode import Mode, Scope
from service.domain.traffic import MINUTE, total
from service.flows.operators import Operator
from service.flows.traffic import Span
from service.flows.watch import PAUSE
from service.store.health import RouteState
from service.web.console.charts import Chart, lined, stacked
from service.web.console.frame import console_pages, for_operators, show
from service.web.pages import services

SPANS = {"1": "1 hour", "6": "6 hours", "24": "24 hours"}
MATURE = 120_000  # ms after which most codes that will come back have
ASKED_AGAIN = 10  # looks after which a stream's session is asked for again
HEARTBEAT = 5.0  # seconds after which a page looks again though nothing happened
AFTERMATH = 1.5  # seconds after events
STREAM_LIFE = 240.0  # seconds; then the browser connects again, and is asked who it is

_SWITCHED = {
    "c0": ("circuit_open",),
    "c1": ("provider_error", "deadline"),
    "c2": ("undeliverable", "delivery_failed"),
    "c3": ("not_delivered",),
    "c4": ("user_request",),
    "c5": ("mode",),
}
_SWITCH_NAMES = {
    "c0": "route open",
    "c1": "failed or too slow",
    "c2": "undeliverable",
    "c3": "nothing arrived in time",
    "c4": "asked by the user",
    "c5": "mode",
}

api = console_pages("overview")


@for_operators(api, "GET", "")
def overview(operator: Operator) -> Response:
    """The page."""
    wanted = request.args.get("hours", "1")
    hours = wanted if wanted in SPANS else "1"
    states, feed, deciding = services().health.overview()
    everybody, settings = services().mode.current()
    span = services().traffic(int(hours))
    readiness, _ = services().readiness()
    return show(
        "overview.html",
        operator,
        {
            "headline": _headline(states, everybody.mode if everybody else Mode.AUTO, deciding=deciding),
            "deciding": deciding,
            "routes": sorted(states.items(), key=_worst_first),
            "feed": feed,
            "mode": everybody.mode if everybody else Mode.AUTO,
            "narrower": sum(setting.scope != Scope() for setting in settings),
            "incidents": [i for i in services().incidents.all() if not i.resolved_at],
            "drill": services().drills.running(),
            "suspects": services().toll_fraud.suspects(),
            "readiness": readiness,
            "spans": SPANS,
            "hours": hours,
            "sums": total(span.columns),
            "charts": _charts(span, states),
            "began": span.start,
        },
    )


@for_operators(api, "GET", "/live", looks=False)
def live(operator: Operator) -> Response:
    """Says when a page should look again, as server-sent events."""

    def stream() -> Iterator[str]:
        yield "retry: 2000\n\n"
        due = time.monotonic() + HEARTBEAT
        try:
            for look, (events, _) in enumerate(services().watch(None, int(STREAM_LIFE / PAUSE))):
                if look % ASKED_AGAIN == 0:
                    services().sign_in.visit(operator.cookie, looks=False)
                now = time.monotonic()
                if events or now >= due:
                    # Once more soon: what the worker makes of the events is there a moment later.
                    due = now + (AFTERMATH if events else HEARTBEAT)
                    kinds = sorted({event.type for event in events})
                    yield f"event: look\ndata: {json.dumps(kinds)}\n\n"
        except (StoreUnavailable, Unauthenticated):
            return  # the browser connects again, and is told

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Response(stream_with_context(stream()), headers=headers, content_type="text/event-stream")


def _worst_first(item: tuple[str, RouteState]) -> tuple[int, str]:
    return ("open", "half_open", "closed").index(item[1].state), item[0]


def _headline(states: dict[str, RouteState], mode: Mode, *, deciding: bool) -> tuple[str, str]:
    """A word for how bad it is, and a sentence."""
    opened = [name for name, state in states.items() if state.state == "open"]
    trying = [name for name, state in states.items() if state.state == "half_open"]
    if not deciding:
        return "bad", "No worker decides: routes neither open nor close, and nothing switches by itself."
    if opened and mode is Mode.PRIMARY_ONLY:
        return (
            "bad",
            f"{len(opened)} of {len(states)} routes are open; primary_only sends there still.",
        )
    if opened:
        return "bad", f"{len(opened)} of {len(states)} routes are open: nothing is sent there."
    if trying:
        return "warn", f"{len(trying)} of {len(states)} routes are being tried again."
    return "good", "Every route works." if states else "Nothing was sent yet."


def _charts(span: Span, states: dict[str, RouteState]) -> list[Chart]:
    labels = [_clock(span.start + index * span.each * MINUTE) for index in range(len(span.columns))]
    columns = span.columns
    switches = [
        {
            colour: sum(minute.switched.get(reason, 0) for reason in reasons)
            for colour, reasons in _SWITCHED.items()
        }
        for minute in columns
    ]
    baseline = _baseline(states)
    return [
        lined(
            "Messages sent, sends failed, logins approved",
            {"c0": "sent", "c1": "failed", "c2": "approved"},
            {
                "c0": [float(minute.sent) for minute in columns],
                "c1": [float(minute.failed) for minute in columns],
                "c2": [float(sum(minute.approved.values())) for minute in columns],
            },
            unit=lambda value: f"{value:.0f}",
        ),
        lined(
            "Codes that came back, of those sent",
            {"c2": "came back", "c3": "usual"},
            {"c2": _conversion(span), "c3": [baseline] * len(columns)},
            unit=lambda value: f"{value:.0%}",
            top=1.0,
        ),
        stacked("Switches to another channel, by reason", _SWITCH_NAMES, switches, labels),
        lined(
            "Time to answer a start",
            {"c0": "median", "c1": "95 %"},
            {
                "c0": [minute.latency(0.5) for minute in columns],
                "c1": [minute.latency(0.95) for minute in columns],
            },
            unit=lambda value: f"{value:.0f} ms",
        ),
    ]


def _conversion(span: Span) -> list[float | None]:
    """The share of codes that came back; nothing for the newest, which are still on their way."""
    settled = services().core.clock() - MATURE
    return [
        minute.converted / minute.sent
        if minute.sent and span.start + (index + 1) * span.each * MINUTE <= settled
        else None
        for index, minute in enumerate(span.columns)
    ]


def _baseline(states: dict[str, RouteState]) -> float | None:
    """What the routes usually have, by how much is sent there."""
    seen = [
        state.evidence
        for name, state in states.items()
        if name.startswith(f"{PRIMARY_PROVIDER}/") and name.count("/") == 2 and state.evidence.baseline
    ]
    weight = sum(evidence.sends or 1 for evidence in seen)
    return sum(e.baseline * (e.sends or 1) for e in seen) / weight if seen else None


def _clock(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%H:%M")
