"""`/v1/ops`: for operators."""

from flask import Blueprint

from service.domain.api_keys import Scope as KeyScope
from service.domain.mode import Mode, Scope
from service.http.endpoint import Answer, Call, endpoint
from service.http.schemas import EmptyRequest, HealthReport, ModeRequest, ModeSettingView, ModeView
from service.http.views import health_view, mode_setting_view

api = Blueprint("ops", __name__)


@endpoint(api, "GET", "/v1/ops/mode", scope=KeyScope.OPS, answers={200: ModeView})
def get_mode(call: Call[EmptyRequest]) -> Answer:
    """Read the mode in force."""
    everybody, settings = call.services.mode.current()
    return Answer(
        {
            "mode": everybody.mode if everybody else Mode.AUTO,
            "settings": [mode_setting_view(setting) for setting in settings],
        }
    )


@endpoint(
    api,
    "PUT",
    "/v1/ops/mode",
    scope=KeyScope.OPS,
    body=ModeRequest,
    answers={200: ModeSettingView},
)
def put_mode(call: Call[ModeRequest]) -> Answer:
    """Set the mode for everybody, a country or an application."""
    asked = call.body
    setting = call.services.mode.put(
        asked.mode,
        Scope(asked.country, asked.application),
        reason=asked.reason,
        set_by=call.caller.id,
        expires_in=asked.expires_in,
    )
    return Answer(mode_setting_view(setting))


@endpoint(api, "GET", "/v1/ops/health", scope=KeyScope.OPS, answers={200: HealthReport})
def get_health(call: Call[EmptyRequest]) -> Answer:
    """Read the health of every route, and what it rests on."""
    states, feed, decided = call.services.health.overview()
    return Answer(health_view(states, feed, decided=decided))
