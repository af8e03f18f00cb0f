"""`/v1/ops`: for operators."""

import json
import re
import time
from collections.abc import Iterator
from itertools import chain
from typing import Any

from flask import Blueprint, Response, request

from service.domain.api_keys import Scope as KeyScope
from service.domain.drills import Tally
from service.domain.errors import FieldFault, InvalidInput, StoreUnavailable
from service.domain.mode import Mode, Scope
from service.flows.watch import PAUSE, events_since
from service.http.endpoint import (
    ENTRY_ID,
    Answer,
    Call,
    endpoint,
    entry_before,
    presented_key,
    who,
    whole_number,
)
from service.http.schemas.common import EmptyRequest
from service.http.schemas.ops import (
    AuditView,
    DrillReportView,
    DrillRequest,
    DrillStopRequest,
    DrillsView,
    DrillView,
    FraudClearRequest,
    FraudView,
    HealthReport,
    IncidentsView,
    IncidentUpdateRequest,
    IncidentView,
    ModeClearRequest,
    ModeRequest,
    ModeSettingView,
    ModeView,
    ReadinessView,
    StuckUsersView,
)
from service.http.views import (
    audit_view,
    drill_view,
    event_view,
    health_view,
    incident_view,
    mode_setting_view,
    readiness_view,
    stuck_user_view,
    suspect_view,
)

MOST = 500  # entries of a list in one answer
LONGEST_STREAM = 240  # seconds; then whoever listens connects again
HEARTBEAT = 15.0  # seconds without an event after which a comment is sent

api = Blueprint("ops", __name__)


@endpoint(api, "GET", "/v1/ops/mode", scope=KeyScope.OPS, answers={200: ModeView})
def get_mode(call: Call[EmptyRequest]) -> Answer:
    """Read the mode in force."""
    return Answer(_modes(call))


@endpoint(
    api,
    "PUT",
    "/v1/ops/mode",
    scope=KeyScope.OPS,
    body=ModeRequest,
    answers={200: ModeSettingView},
    errors=("mode_changed", "state_conflict"),
)
def put_mode(call: Call[ModeRequest]) -> Answer:
    """Set the mode for everybody, a country or an application."""
    asked = call.body
    setting = call.services.mode.put(
        asked.mode,
        Scope(asked.country, asked.application),
        reason=asked.reason,
        who=who(call),
        expires_in=asked.expires_in,
        version=asked.version,
    )
    return Answer(mode_setting_view(setting))


@endpoint(
    api,
    "POST",
    "/v1/ops/mode/clear",
    scope=KeyScope.OPS,
    body=ModeClearRequest,
    answers={200: ModeView},
    errors=("mode_changed", "state_conflict"),
)
def clear_mode(call: Call[ModeClearRequest]) -> Answer:
    """Take a mode back, so that wider ones hold there again."""
    asked = call.body
    scope = Scope(asked.country, asked.application)
    call.services.mode.put(None, scope, reason=asked.reason, who=who(call), version=asked.version)
    return Answer(_modes(call))


@endpoint(api, "GET", "/v1/ops/health", scope=KeyScope.OPS, answers={200: HealthReport})
def get_health(call: Call[EmptyRequest]) -> Answer:
    """Read the health of every route, and what it rests on."""
    states, feed, decided = call.services.health.overview()
    return Answer(health_view(states, feed, decided=decided))


@endpoint(
    api,
    "GET",
    "/v1/ops/audit",
    scope=KeyScope.OPS,
    answers={200: AuditView},
    query={
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "description": "50 unless told"},
        "before": {
            "type": "string",
            "pattern": ENTRY_ID,
            "description": "The id of an entry: those before it",
        },
    },
)
def get_audit(call: Call[EmptyRequest]) -> Answer:
    """Read the audit trail, newest first."""
    before = entry_before("the id of an entry")
    entries = call.services.audit.newest(_limit(), before)
    return Answer({"entries": [audit_view(entry) for entry in entries]})


@endpoint(
    api,
    "GET",
    "/v1/ops/events",
    scope=KeyScope.OPS,
    answers={200: None},
    query={
        "types": {
            "type": "string",
            "description": "Types that begin so, apart by commas: incident,mode",
        },
        "for": {"type": "integer", "minimum": 1, "maximum": LONGEST_STREAM, "description": "Seconds"},
    },
    stream=True,
)
def follow_events(call: Call[EmptyRequest]) -> Response:
    """Follow what happens, as server-sent events; `Last-Event-ID` goes on where a stream ended."""
    seconds = whole_number("for", LONGEST_STREAM, 1, LONGEST_STREAM)
    types = tuple(filter(None, request.args.get("types", "").split(",")))
    last = request.headers.get("Last-Event-ID")
    if last is not None and not re.fullmatch(r"[0-9]{1,15}-[0-9]{1,15}", last):
        raise InvalidInput(FieldFault("Last-Event-ID", "expected the id of an event"))
    looks = call.services.watch(events_since(last) if last else None, int(seconds / PAUSE))
    first = next(looks)  # Redis is asked before anything is answered
    presented = presented_key(request)

    def stream() -> Iterator[str]:
        yield "retry: 2000\n\n"
        heard = time.monotonic()
        try:
            for events, _ in chain([first], looks):
                if call.services.api_keys.find(presented) is None:
                    return  # it was revoked
                for event in events:
                    if (view := event_view(event)) and (not types or event.type.startswith(types)):
                        heard = time.monotonic()
                        yield f"id: {event.entry}\nevent: {event.type}\ndata: {json.dumps(view)}\n\n"
                if time.monotonic() - heard > HEARTBEAT:
                    heard = time.monotonic()
                    yield ":\n\n"
        except StoreUnavailable:
            return  # who listens connects again, and goes on from there

    return Response(stream(), headers={"X-Accel-Buffering": "no"}, content_type="text/event-stream")


@endpoint(
    api,
    "GET",
    "/v1/ops/incidents",
    scope=KeyScope.OPS,
    answers={200: IncidentsView},
    query={
        "open": {"type": "boolean", "description": "Only those that are not resolved"},
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "description": "50 unless told"},
    },
)
def list_incidents(call: Call[EmptyRequest]) -> Answer:
    """List incidents, newest first."""
    only_open = request.args.get("open", "false")
    if only_open not in ("true", "false"):
        raise InvalidInput(FieldFault("open", "expected true or false"))
    found = [i for i in call.services.incidents.all() if only_open == "false" or not i.resolved_at]
    return Answer({"incidents": [incident_view(incident) for incident in found[: _limit()]]})


@endpoint(
    api,
    "GET",
    "/v1/ops/incidents/{id}",
    scope=KeyScope.OPS,
    answers={200: IncidentView},
    errors=("incident_not_found",),
)
def get_incident(call: Call[EmptyRequest]) -> Answer:
    """Read an incident with its timeline."""
    return Answer(incident_view(call.services.incidents.get(call.path["id"])))


@endpoint(
    api,
    "POST",
    "/v1/ops/incidents/{id}/updates",
    scope=KeyScope.OPS,
    body=IncidentUpdateRequest,
    answers={201: IncidentView},
    errors=("incident_not_found", "state_conflict"),
)
def update_incident(call: Call[IncidentUpdateRequest]) -> Answer:
    """Say something about an incident, to operators or to everybody."""
    asked = call.body
    incident = call.services.incidents.update(
        call.path["id"], asked.text, who(call), public=asked.public, status=asked.status
    )
    return Answer(incident_view(incident), 201)


@endpoint(
    api,
    "POST",
    "/v1/ops/drills",
    scope=KeyScope.OPS,
    body=DrillRequest,
    answers={201: DrillView},
    errors=("drill_refused", "state_conflict"),
)
def start_drill(call: Call[DrillRequest]) -> Answer:
    """Rehearse an outage."""
    asked = call.body
    drill = call.services.drills.start(
        asked.kind,
        share=asked.share,
        user_ids=asked.user_ids or (),
        country=asked.country,
        application=asked.application,
        duration=asked.duration,
        spare=asked.spare,
        max_stuck=asked.max_stuck,
        reason=asked.reason,
        who=who(call),
        default_application=call.caller.application,
    )
    return Answer(drill_view(drill, Tally()), 201)


@endpoint(api, "GET", "/v1/ops/drills", scope=KeyScope.OPS, answers={200: DrillsView})
def list_drills(call: Call[EmptyRequest]) -> Answer:
    """List drills, newest first."""
    return Answer({"drills": [drill_view(drill, tally) for drill, tally in call.services.drills.all()]})


@endpoint(
    api,
    "GET",
    "/v1/ops/drills/{id}",
    scope=KeyScope.OPS,
    answers={200: DrillReportView},
    errors=("drill_not_found",),
)
def get_drill(call: Call[EmptyRequest]) -> Answer:
    """Read a drill and its report."""
    drill, tally = call.services.drills.get(call.path["id"])
    without = [stuck_user_view(user) for user in call.services.drills.without(tally, MOST)]
    return Answer({**drill_view(drill, tally), "users_without": without})


@endpoint(
    api,
    "POST",
    "/v1/ops/drills/{id}/stop",
    scope=KeyScope.OPS,
    body=DrillStopRequest,
    answers={200: DrillView},
    errors=("drill_not_found", "state_conflict"),
)
def stop_drill(call: Call[DrillStopRequest]) -> Answer:
    """End a drill before its time."""
    call.services.drills.stop(call.path["id"], who(call), call.body.reason)
    return Answer(drill_view(*call.services.drills.get(call.path["id"])))


@endpoint(api, "GET", "/v1/ops/fraud", scope=KeyScope.OPS, answers={200: FraudView})
def list_suspects(call: Call[EmptyRequest]) -> Answer:
    """List blocks of numbers in which toll fraud is suspected."""
    return Answer(_suspects(call))


@endpoint(
    api,
    "POST",
    "/v1/ops/fraud/clear",
    scope=KeyScope.OPS,
    body=FraudClearRequest,
    answers={200: FraudView},
    errors=("suspect_not_found", "state_conflict"),
)
def clear_suspect(call: Call[FraudClearRequest]) -> Answer:
    """Send to a suspected block of numbers again."""
    call.services.toll_fraud.clear(call.body.block, call.body.reason, who(call))
    return Answer(_suspects(call))


@endpoint(api, "GET", "/v1/ops/readiness", scope=KeyScope.OPS, answers={200: ReadinessView})
def get_readiness(call: Call[EmptyRequest]) -> Answer:
    """Read how many users would get in if the primary provider died now."""
    everybody, applications = call.services.readiness()
    return Answer(
        {
            **readiness_view(everybody),
            "applications": [
                {"application": name, **readiness_view(counts)} for name, counts in applications.items()
            ],
        }
    )


@endpoint(
    api,
    "GET",
    "/v1/ops/readiness/stuck",
    scope=KeyScope.OPS,
    answers={200: StuckUsersView},
    query={
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "description": "50 unless told"},
        "after": {
            "type": "string",
            "pattern": "^([0-3][0-9a-f][A-Za-z0-9_-]{22})?$",
            "description": "`next` of the answer before",
        },
    },
)
def list_stuck_users(call: Call[EmptyRequest]) -> Answer:
    """List users who would be locked out."""
    after = request.args.get("after", "")
    if after and not re.fullmatch(r"[0-3][0-9a-f][A-Za-z0-9_-]{22}", after):
        raise InvalidInput(FieldFault("after", "expected `next` of the answer before"))
    users, following = call.services.readiness.stuck(after, _limit())
    return Answer({"users": [stuck_user_view(user) for user in users], "next": following})


def _modes(call: Call[Any]) -> dict[str, object]:
    everybody, settings = call.services.mode.current()
    return {
        "mode": everybody.mode if everybody else Mode.AUTO,
        "settings": [mode_setting_view(setting) for setting in settings],
    }


def _suspects(call: Call[Any]) -> dict[str, object]:
    return {"suspects": [suspect_view(suspect) for suspect in call.services.toll_fraud.suspects()]}


def _limit() -> int:
    return whole_number("limit", 50, 1, MOST)
