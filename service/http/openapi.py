"""The API's description (OpenAPI 3.1), made from the declarations and models that serve it."""

import re
from functools import cache
from http import HTTPStatus
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import service
from service.http import challenges, enrollments, ops, proofs, users, webhooks
from service.http.endpoint import OPERATIONS, Operation
from service.http.problems import CONTENT_TYPE
from service.http.schemas.public import HealthView, JwksView, Problem, SummaryView

# Importing them declares their operations.
_DECLARING = (challenges, proofs, enrollments, users, ops, webhooks)
_TAGS = {
    "challenges": "Ask a user for a second factor, and have it answered",
    "enrollments": "Enrol authenticator apps; manage factors and contacts",
    "ops": "Operate",
    "public": "Without an API key",
}
_COMMON_ERRORS = (400, 401, 403, 413, 422, 503)
_REF = "#/components/schemas/{model}"
_LIMIT_HEADERS = {
    "Retry-After": ("Seconds until it makes sense to try again", "integer", 30),
    "RateLimit-Policy": (
        "The limits that apply, with quota and window in seconds (draft-ietf-httpapi-ratelimit-headers)",
        "string",
        '"address";q=300;w=600',
    ),
    "RateLimit": (
        "What is left of each, and seconds until all of it is there again",
        "string",
        '"address";r=299;t=2',
    ),
}


@cache
def as_yaml() -> str:
    """The description as text."""
    return yaml.safe_dump(describe(), sort_keys=False, allow_unicode=True, width=110)


def describe() -> dict[str, Any]:
    """The description."""
    models = {Problem, HealthView, JwksView, SummaryView}
    for operation in OPERATIONS:
        models |= {model for model in (operation.body, *operation.answers.values()) if model}
    named = sorted(models, key=lambda model: model.__name__)
    modes: Any = [(m, "validation" if m.__name__.endswith("Request") else "serialization") for m in named]
    _, schemas = models_json_schema(modes, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "otp-fallback",
            "version": service.__version__,
            "summary": "Second factors that keep working when SMS does not",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "http://127.0.0.1:8080", "description": "make serve"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"api_key": []}],
        "paths": paths | _public_paths(),
        "components": {
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key with the scope that the operation's tag names",
                }
            },
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "Repeats of a request with the same key get the stored answer for an hour",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                }
            },
            "headers": {
                name: {"description": text, "schema": {"type": kind}, "example": example}
                for name, (text, kind, example) in _LIMIT_HEADERS.items()
            },
            "schemas": schemas["$defs"],
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.scope.value if operation.scope else "public"],
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]
    for name, schema in operation.query.items():
        given = dict(schema)
        text = given.pop("description", "")
        parameters.append(
            {"name": name, "in": "query", "required": False, "description": text, "schema": given}
        )
    if operation.method == "POST":
        parameters.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        required = any(field.is_required() for field in operation.body.model_fields.values())
        described["requestBody"] = {
            "required": required,
            "content": {"application/json": {"schema": _ref(operation.body)}},
        }
    responses: dict[str, Any] = {}
    for status, model in operation.answers.items():
        responses[str(status)] = _response(status, model)
    if operation.stream:
        responses["200"]["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    idempotency = (409,) if operation.method == "POST" else ()
    for status in sorted({*_COMMON_ERRORS, *operation.errors, *idempotency}):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {CONTENT_TYPE: {"schema": _ref(Problem)}},
        }
    if 429 in operation.errors:
        for code in ("429", *map(str, operation.answers)):
            names = [name for name in _LIMIT_HEADERS if code == "429" or name != "Retry-After"]
            responses[code]["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    described["responses"] = responses
    return described


def _response(status: int, model: type[BaseModel] | None) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if model is not None:
        response["content"] = {"application/json": {"schema": _ref(model)}}
    return response


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _public_paths() -> dict[str, Any]:
    def get(name: str, summary: str, content: dict[str, Any], *errors: int) -> dict[str, Any]:
        responses: dict[str, Any] = {"200": {"description": "OK", "content": content}}
        for status in errors:
            responses[str(status)] = {
                "description": HTTPStatus(status).phrase,
                "content": {CONTENT_TYPE: {"schema": _ref(Problem)}},
            }
        return {
            "get": {
                "operationId": name,
                "summary": summary,
                "tags": ["public"],
                "security": [],
                "responses": responses,
            }
        }

    health = {"application/json": {"schema": _ref(HealthView)}}
    text = {"schema": {"type": "string"}}
    return {
        "/healthz": get("healthz", "Whether the process answers", health),
        "/readyz": get("readyz", "Whether it can serve", health, 503),
        "/metrics": get("metrics", "Metrics in Prometheus' format", {"text/plain": text}),
        "/.well-known/jwks.json": get(
            "jwks", "Keys to check proofs with", {"application/json": {"schema": _ref(JwksView)}}, 503
        ),
        "/api/v2/summary.json": get(
            "summary",
            "The status of every channel, in Statuspage's format",
            {"application/json": {"schema": _ref(SummaryView)}},
            503,
        ),
        "/hooks/twilio": {"post": _hook()},
        "/openapi.yaml": get(
            "openapi", "This description", {"application/yaml": {"schema": {"type": "object"}}}
        ),
    }


def _hook() -> dict[str, Any]:
    event = {
        "type": "object",
        "required": ["id", "type"],
        "properties": {
            "id": {"type": "string", "minLength": 1, "maxLength": 256},
            "type": {"type": "string", "maxLength": 256},
            "time": {"type": "string", "format": "date-time"},
            "data": {"type": "object"},
        },
    }
    return {
        "operationId": "twilio",
        "summary": "Delivery reports of Twilio Event Streams: a batch of CloudEvents",
        "tags": ["public"],
        "security": [],
        "parameters": [
            {
                "name": "X-Twilio-Signature",
                "in": "header",
                "required": True,
                "description": "Twilio's signature of the URL, in which bodySHA256 covers the body",
                "schema": {"type": "string"},
            },
            {"name": "bodySHA256", "in": "query", "required": True, "schema": {"type": "string"}},
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "array", "items": event}}},
        },
        "responses": {
            "204": {"description": "Taken"},
            **{
                str(status): {
                    "description": HTTPStatus(status).phrase,
                    "content": {CONTENT_TYPE: {"schema": _ref(Problem)}},
                }
                for status in (400, 403, 409, 413, 422, 503)
            },
        },
    }
