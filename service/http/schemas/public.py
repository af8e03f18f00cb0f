"""Answers that need no API key, and problems."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from service.http.schemas.common import AnswerModel, Time


class FieldFaultView(AnswerModel):
    """One field at fault."""

    field: str
    message: str


class Problem(BaseModel):
    """RFC 9457 problem details. `code` is stable."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None
    errors: list[FieldFaultView] | None = None


class HealthView(AnswerModel):
    """Whether it runs."""

    status: Literal["ok", "unavailable"]


class JwksView(BaseModel):
    """Public keys (RFC 7517)."""

    keys: list[dict[str, str]]


class PageView(BaseModel):
    """Whose status it is."""

    id: str
    name: str
    url: str
    time_zone: str
    updated_at: Time


class ComponentView(BaseModel):
    """A channel."""

    id: str
    name: str
    status: Literal["operational", "degraded_performance", "partial_outage", "major_outage"]
    updated_at: Time
    position: int


class IncidentUpdateView(BaseModel):
    """Something that was said of an incident."""

    id: str
    status: str
    body: str
    created_at: Time


class PublicIncidentView(BaseModel):
    """An incident that is not over."""

    id: str
    name: str
    status: Literal["investigating", "identified", "monitoring", "resolved"]
    impact: Literal["minor", "major"]
    created_at: Time
    updated_at: Time
    resolved_at: Time | None
    incident_updates: list[IncidentUpdateView]
    components: list[ComponentView]


class IndicatorView(BaseModel):
    """All of it in a word."""

    indicator: Literal["none", "minor", "major"]
    description: str


class SummaryView(BaseModel):
    """Statuspage's summary."""

    page: PageView
    components: list[ComponentView]
    incidents: list[PublicIncidentView]
    scheduled_maintenances: list[dict[str, Any]]
    status: IndicatorView
