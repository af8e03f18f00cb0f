"""`/api/v2/summary.json`: the status in Statuspage's format, so that what reads that reads this.

https://developer.statuspage.io (summary of a public page). Its words are English; pages for people are
`service.web.status`.
"""

from typing import Any

from flask import Blueprint, Response, current_app, jsonify

from service.app import Services
from service.domain.incidents import Incident, TimelineEntry
from service.domain.notices import CHANNEL_NAMES
from service.domain.uptime import Component, Condition, channels_of
from service.edge import public_url
from service.flows.public_status import Status
from service.http.views import time_view

api = Blueprint("statuspage", __name__)

PAGE_ID = "otp-fallback"
_INDICATORS: dict[Condition, tuple[str, str]] = {
    "operational": ("none", "All Systems Operational"),
    "degraded_performance": ("minor", "Partially Degraded Service"),
    "partial_outage": ("minor", "Partial System Outage"),
    "major_outage": ("major", "Major System Outage"),
}
_BODIES = {
    "opened": "Codes are delayed. Users can sign in by another way meanwhile.",
    "impact": "More codes are delayed by now.",
    "resolved": "Codes arrive normally again.",
}


@api.get("/api/v2/summary.json")
def summary() -> Response:
    """The status of every channel, and the incidents that are not over."""
    services: Services = current_app.extensions["otp"]
    response = jsonify(
        summary_view(
            services.public_status(), services.core.settings.issuer, public_url(services.core.settings)
        )
    )
    response.headers["Access-Control-Allow-Origin"] = "*"  # for badges and dashboards on other sites
    return response


def summary_view(status: Status, name: str, url: str) -> dict[str, Any]:
    """The document."""
    indicator, description = _INDICATORS[status.condition]
    components = [_component(c, position) for position, c in enumerate(status.components, 1)]
    unresolved = [incident for incident in status.incidents if not incident.resolved_at]
    return {
        "page": {
            "id": PAGE_ID,
            "name": name,
            "url": f"{url}/status",
            "time_zone": "Etc/UTC",
            "updated_at": time_view(status.at),
        },
        "components": components,
        "incidents": [_incident(incident, components, url) for incident in unresolved],
        "scheduled_maintenances": [],
        "status": {"indicator": indicator, "description": description},
    }


def _component(component: Component, position: int) -> dict[str, Any]:
    return {
        "id": component.channel,
        "name": CHANNEL_NAMES[component.channel],
        "status": component.condition,
        "created_at": time_view(component.days[0].start),
        "updated_at": time_view(component.since or component.days[0].start),
        "position": position,
        "description": None,
        "showcase": True,
        "start_date": None,
        "group_id": None,
        "page_id": PAGE_ID,
        "group": False,
        "only_show_if_degraded": False,
    }


def _incident(incident: Incident, components: list[dict[str, Any]], url: str) -> dict[str, Any]:
    monitored = [e.at for e in incident.timeline if e.to in ("half_open", "monitoring")]
    about = channels_of(incident)
    names = [CHANNEL_NAMES[channel] for channel in about] or ["Codes"]
    updates = [
        _update(incident, entry) for entry in incident.timeline if entry.public or entry.kind in _BODIES
    ]
    return {
        "id": incident.id,
        "name": f"{' and '.join(names)} are delayed",
        "status": incident.status,
        "created_at": time_view(incident.opened_at),
        "updated_at": time_view(incident.updated_at),
        "monitoring_at": time_view(monitored[0]) if monitored else None,
        "resolved_at": time_view(incident.resolved_at) if incident.resolved_at else None,
        "impact": incident.impact,
        "shortlink": f"{url}/status#{incident.id}",
        "started_at": time_view(incident.opened_at),
        "page_id": PAGE_ID,
        "incident_updates": updates[::-1],
        "components": [component for component in components if component["id"] in about],
    }


def _update(incident: Incident, entry: TimelineEntry) -> dict[str, Any]:
    at = time_view(entry.at)
    status = entry.to if entry.kind == "update" and entry.to else incident.status
    return {
        "id": f"{incident.id}-{entry.at}",
        "status": "investigating" if entry.kind == "opened" else status,
        "body": entry.text if entry.kind == "update" else _BODIES[entry.kind],
        "incident_id": incident.id,
        "created_at": at,
        "updated_at": at,
        "display_at": at,
        "affected_components": None,
        "deliver_notifications": False,
    }
