"""What webhooks are sent, for the API's description: OpenAPI's `webhooks`, from what events tell."""

from collections.abc import Mapping
from typing import Any

from service.domain.channels import Channel
from service.domain.events import TOLD
from service.domain.webhooks import TEST

_TEXT: Mapping[str, Any] = {"type": "string"}
_COUNT: Mapping[str, Any] = {"type": "integer", "minimum": 0}
_TIME: Mapping[str, Any] = {"type": "string", "format": "date-time"}
_CHANNEL: Mapping[str, Any] = {"type": "string", "enum": [channel.value for channel in Channel]}
_LIST: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}
_LISTS = ("routes", "components", "changed")
_COUNTS = ("took", "attempts", "factors", "remaining", "failures", "numbers", "version")
_TIMES = ("sent_at", "expires_at", "ends_at", "since")
_CHANNELS = ("channel", "source", "target", "approved_by", "missed", "failed")
_OTHERS: Mapping[str, Mapping[str, Any]] = {
    "spared": {"type": "boolean"},
    "cleared": {"type": "boolean"},
    "share": {"type": "number", "minimum": 0, "maximum": 1},
    "why": {"type": "object", "additionalProperties": {"type": "string"}},
}
HEADERS: Mapping[str, str] = {
    "webhook-id": "The message's id, the same in every try",
    "webhook-timestamp": "When this try was made, in seconds since 1970",
    "webhook-signature": "`v1,` and a signature; two with a blank between them while a secret is replaced",
}


def webhooks() -> dict[str, Any]:
    """Every type of message."""
    return {kind: {"post": _told(kind, fields)} for kind, fields in {**TOLD, TEST: ("webhook",)}.items()}


def field_of(name: str) -> Mapping[str, Any]:
    """The schema of one field of an event's data."""
    for names, schema in ((_LISTS, _LIST), (_COUNTS, _COUNT), (_TIMES, _TIME), (_CHANNELS, _CHANNEL)):
        if name in names:
            return schema
    return _OTHERS.get(name, _TEXT)


def parameters() -> dict[str, Any]:
    """The headers of every message, as components."""
    return {
        name: {
            "name": name,
            "in": "header",
            "required": True,
            "description": text,
            "schema": {"type": "string"},
        }
        for name, text in HEADERS.items()
    }


def _told(kind: str, fields: tuple[str, ...]) -> dict[str, Any]:
    data: dict[str, Any] = {"type": "object"}
    if fields:
        data["properties"] = {name: dict(field_of(name)) for name in fields}
        data["additionalProperties"] = False
    return {
        "operationId": "on_" + kind.replace(".", "_"),
        "summary": kind,
        "description": "A message to the webhooks that want it, signed as Standard Webhooks specifies.",
        "tags": ["webhooks"],
        "security": [],
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in HEADERS],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["type", "timestamp", "data"],
                        "properties": {
                            "type": {"type": "string", "const": kind},
                            "timestamp": {**_TIME, "description": "When it happened"},
                            "data": data,
                        },
                    }
                }
            },
        },
        "responses": {
            "2XX": {"description": "Taken"},
            "410": {"description": "Nothing more is wanted: the webhook is disabled"},
            "default": {"description": "Sent again later; a 429's or 503's `Retry-After` is heeded"},
        },
    }
