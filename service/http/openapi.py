"""The API's description (OpenAPI 3.1), made from the declarations and models that serve it."""

import re
from functools import cache
from http import HTTPStatus
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import service
from service.domain.api_keys import Scope
from service.http import challenges, codes, enrollments, ops, outgoing, proofs, rate_limits, users, webhooks
from service.http.endpoint import OPERATIONS, Operation
from service.http.examples import examples_of
from service.http.problems import CONTENT_TYPE
from service.http.schemas.public import HealthView, JwksView, Problem, SummaryView

# Importing them declares their operations.
_DECLARING = (challenges, proofs, enrollments, users, ops, webhooks)
_TAGS = {
    "challenges": "Ask a user for a second factor, and have it answered",
    "enrollments": "Enrol authenticator apps; manage factors and contacts",
    "ops": "Operate",
    "public": "Without an API key",
    "webhooks": (
        "What other systems are told, as they asked to be (`POST /v1/ops/webhooks`). Every message carries"
        " `webhook-id`, the same in every try, `webhook-timestamp` and `webhook-signature`, as Standard"
        " Webhooks specifies; answer with 2xx within 10 seconds"
    ),
}
_ABOUT = """\
Second factors that keep working when SMS does not. Start a challenge, show the prompt for its `channel`,
and send what the user typed to `verify`; when a channel fails, the challenge has moved to another by then,
and says why.

Requests and answers are JSON. Errors are `application/problem+json` (RFC 9457) with a stable `code`. Times
are RFC 3339 in UTC. Every answer has an `X-Request-Id`, which the logs know.

Below `/v2` stands Twilio Verify's API, for logins that use it today: Verifications, VerificationCheck, and of
TOTP factors Entities, Factors and Challenges. Twilio's own description is the one of it."""
_SHARED = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    409: "Conflict",
    413: "TooLarge",
    422: "Unprocessable",
    500: "Broken",
    503: "Unavailable",
}
_REF = "#/components/schemas/{model}"
_STREAM_EXAMPLE = """\
id: 1772443800000-0
event: mode.changed
data: {"id": "evt_00_1772443800000-0", "type": "mode.changed", "timestamp": "…", "data": {"mode": "auto"}}
"""
_PAGE = {
    "name": "page",
    "in": "path",
    "required": True,
    "description": "Which one",
    "schema": {"type": "string", "minLength": 1},
    "example": "start",
}
_REPORT = "com.twilio.accountsecurity.verify.message.undelivered"
_HOOK_ERRORS = (
    *("bad_request", "malformed_body", "signature_invalid", "body_too_large", "invalid_request"),
    *("internal_error", "store_unavailable"),
)


@cache
def as_yaml() -> str:
    """The description as text."""
    return yaml.dump(describe(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=110)


class _Plain(yaml.SafeDumper):
    """Writes what stands twice twice: references of YAML's own puzzle readers."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


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
        _link(paths[operation.path][operation.method.lower()], operation)
    paths |= _public_paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "otp-fallback",
            "version": service.__version__,
            "summary": "Second factors that keep working when SMS does not",
            "description": _ABOUT,
            "contact": {"name": "Who runs this installation"},
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [
            {"url": "http://127.0.0.1:8080", "description": "make serve"},
            {
                "url": "https://{host}",
                "description": "An installation, at its OTP_PUBLIC_URL",
                "variables": {"host": {"default": "otp.example.com"}},
            },
        ],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "security": [{"api_key": []}],
        "paths": paths,
        "webhooks": outgoing.webhooks(),
        "components": {
            "securitySchemes": {
                "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": (
                        "An API key. What it has to be good for stands with each operation: the scope "
                        "`challenges`, `enrollments` or `ops`, or `ops:read` for what only reads"
                    ),
                }
            },
            "parameters": {
                **outgoing.parameters(),
                "IdempotencyKey": {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "required": False,
                    "description": "Repeats of a request with the same key get the stored answer for an hour",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
                },
            },
            "headers": {
                name: {"description": text, "schema": {"type": kind}, "example": example}
                for name, (text, kind, example) in rate_limits.DESCRIBED.items()
            },
            "examples": {
                name: _problem_example(entry)
                for name, entry in sorted(codes.known().items())
                if name in _told()
            },
            "responses": _shared_responses(),
            "schemas": schemas["$defs"],
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": " ".join(filter(None, (operation.description, _needs(operation)))),
        "tags": [operation.scope.value if operation.scope else "public"],
        "security": [{"api_key": [scope.value]} for scope in _scopes(operation)],
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
            "content": {"application/json": _media(operation.body)},
        }
    responses: dict[str, Any] = {}
    for status, model in operation.answers.items():
        responses[str(status)] = _response(status, model)
    if operation.stream:
        responses["200"]["content"] = {
            "text/event-stream": {"schema": {"type": "string"}, "example": _STREAM_EXAMPLE}
        }
    errors = _errors(operation)
    for status in sorted(errors):
        responses[str(status)] = _problem(status, errors[status])
    if 429 in errors:
        for code in ("429", *map(str, operation.answers)):
            names = [name for name in rate_limits.DESCRIBED if code == "429" or name != "Retry-After"]
            responses[code]["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    described["responses"] = responses
    return described


def _link(described: dict[str, Any], operation: Operation) -> None:
    """Say what can be done with what was made: everything whose path goes on with its id."""
    made = described["responses"].get("201") if operation.method == "POST" else None
    below = f"{operation.path}/{{id}}"
    links = {
        other.name: {"operationId": other.name, "parameters": {"id": "$response.body#/id"}}
        for other in OPERATIONS
        if other.path == below or other.path.startswith(f"{below}/")
    }
    if made is not None and links:
        made["links"] = links


def _errors(operation: Operation) -> dict[int, list[str]]:
    """The codes of an operation's errors by their statuses."""
    found: dict[int, list[str]] = {}
    own = (*operation.errors, *(codes.OF_POST if operation.method == "POST" else ()))
    for code in (*codes.COMMON, *own):
        found.setdefault(codes.known()[code].status, []).append(code)
    if 404 in found:
        found[404].append("not_found")  # an id that no path can hold
    return found


def _told() -> set[str]:
    """Every code that some operation answers with."""
    own = {code for operation in OPERATIONS for code in operation.errors}
    return own | {*codes.COMMON, *codes.OF_POST, "not_found", "signature_invalid"}


def _needs(operation: Operation) -> str:
    return f"Needs the scope {' or '.join(f'`{scope}`' for scope in _scopes(operation))}."


def _scopes(operation: Operation) -> list[Scope]:
    if operation.scope is None:
        return []
    reads = operation.scope is Scope.OPS and operation.method == "GET"
    return [operation.scope, *([Scope.OPS_READ] if reads else [])]


def _shared_responses() -> dict[str, Any]:
    """The errors of every operation, and those of every POST, once for all."""
    shared: dict[str, Any] = {}
    for suffix, all_codes in (("", codes.COMMON), ("ToPost", (*codes.COMMON, *codes.OF_POST))):
        for status, name in _SHARED.items():
            of_status = [code for code in all_codes if codes.known()[code].status == status]
            if of_status and not (suffix and of_status == _codes_of(shared.get(name))):
                shared[name + suffix] = _inline_problem(status, of_status)
    return shared


def _problem(status: int, of_status: list[str]) -> dict[str, Any]:
    name = _SHARED.get(status, "")
    for shared in (name, f"{name}ToPost"):
        if of_status == _codes_of(_shared_responses().get(shared)):
            return {"$ref": f"#/components/responses/{shared}"}
    return _inline_problem(status, of_status)


def _codes_of(response: dict[str, Any] | None) -> list[str]:
    return list(response["content"][CONTENT_TYPE]["examples"]) if response else []


def _inline_problem(status: int, of_status: list[str]) -> dict[str, Any]:
    narrowed = {"type": "object", "properties": {"code": {"enum": of_status}}}
    return {
        "description": HTTPStatus(status).phrase,
        "content": {
            CONTENT_TYPE: {
                "schema": {"allOf": [_ref(Problem), narrowed]},
                "examples": {code: {"$ref": f"#/components/examples/{code}"} for code in of_status},
            }
        },
    }


def _problem_example(entry: codes.ErrorCode) -> dict[str, Any]:
    return {
        "summary": entry.meaning,
        "value": {
            "type": "about:blank",
            "title": HTTPStatus(entry.status).phrase,
            "status": entry.status,
            "detail": entry.meaning,
            "code": entry.code,
            "request_id": "0a1b2c3d4e5f6071",
        },
    }


def _response(status: int, model: type[BaseModel] | None) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if model is not None:
        response["content"] = {"application/json": _media(model)}
    return response


def _media(model: type[BaseModel]) -> dict[str, Any]:
    examples = {name: {"value": value} for name, value in examples_of(model).items()}
    return {"schema": _ref(model), "examples": examples}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _public_paths() -> dict[str, Any]:
    def get(name: str, summary: str, content: dict[str, Any], *errors: str, **more: Any) -> dict[str, Any]:
        return {
            "get": {
                "operationId": name,
                "summary": summary,
                "description": "Needs no API key.",
                "tags": ["public"],
                "security": [],
                **more,
                "responses": {"200": {"description": "OK", "content": content}, **_by_status(errors)},
            }
        }

    health = {"application/json": _media(HealthView)}
    text, html = {"schema": {"type": "string"}}, {"text/html": {"schema": {"type": "string"}}}
    page = get("docs_page", "A page of the documentation", html, parameters=[_PAGE])
    page["get"]["responses"]["404"] = {"description": "No such page", "content": html}
    return {
        "/healthz": get("healthz", "Whether the process answers", health),
        "/readyz": get("readyz", "Whether it can serve", health, "store_unavailable"),
        "/metrics": get("metrics", "Metrics in Prometheus' format", {"text/plain": text}),
        "/.well-known/jwks.json": get(
            "jwks", "Keys to check proofs with", {"application/json": _media(JwksView)}, "store_unavailable"
        ),
        "/api/v2/summary.json": get(
            "summary",
            "The status of every channel, in Statuspage's format",
            {"application/json": _media(SummaryView)},
            "store_unavailable",
        ),
        "/hooks/twilio": {"post": _hook()},
        "/openapi.yaml": get(
            "openapi", "This description", {"application/yaml": {"schema": {"type": "object"}}}
        ),
        "/docs": get("docs", "The documentation", html),
        "/docs/{page}": page,
    }


def _by_status(errors: tuple[str, ...]) -> dict[str, Any]:
    statuses = sorted({codes.known()[code].status for code in errors})
    return {
        str(status): _problem(status, [code for code in errors if codes.known()[code].status == status])
        for status in statuses
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
        "description": "Needs no API key, but Twilio's signature.",
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
            "content": {
                "application/json": {
                    "schema": {"type": "array", "items": event},
                    "example": [{"id": "EZ1", "type": _REPORT, "time": "2026-03-02T09:30:00Z", "data": {}}],
                }
            },
        },
        "responses": {
            "204": {"description": "Taken"},
            **_by_status((*_HOOK_ERRORS, "state_conflict")),
        },
    }
