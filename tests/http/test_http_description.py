"""`openapi.yaml` is what the service is."""

import re
from types import SimpleNamespace

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from openapi_spec_validator import validate
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    missing_required_header,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from service.http import openapi
from service.http.application import create_app
from service.settings import Settings
from tests.support.stack import API_KEY, ROOT

# A stream does not end by itself; it has tests of its own.
SCHEMA = schemathesis.openapi.from_path(ROOT / "openapi.yaml").exclude(path="/v1/ops/events")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    missing_required_header,
    ignored_auth,
]


def checks_of(path, method, status):
    """What is checked of an operation's answers.

    A schema can't say which numbers are real or where users may be sent back to, so bodies that it takes may be
    refused. Parameters of the query that nobody knows are passed over. A list that is too long may be a body that
    is too large. A user id may hold slashes, so `DELETE /v1/users/{user_id}` takes addresses of other operations.
    """
    checks = list(CHECKS)
    if method != "GET" and status != 413:
        checks.append(negative_data_rejection)
    if method == "GET" and "user_id" not in path:
        checks.append(positive_data_acceptance)
    if "/v1/users/" not in path:
        checks.append(unsupported_method)
    return checks


HEADERS = {"Authorization": f"Bearer {API_KEY}"}


def described():
    return yaml.safe_load((ROOT / "openapi.yaml").read_text())


def test_the_file_is_valid_openapi_and_what_the_code_says():
    validate(described())
    assert (ROOT / "openapi.yaml").read_text() == openapi.as_yaml()


def test_the_service_serves_it(stack):
    answer = requests.get(f"{stack.url}/openapi.yaml", timeout=5)
    assert answer.status_code == 200
    assert yaml.safe_load(answer.text) == described()


def test_every_route_is_described_and_every_description_routed():
    app = create_app(SimpleNamespace(core=SimpleNamespace(settings=Settings.load())))
    routed = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD", "OPTIONS"}
        if not rule.rule.startswith(PAGES)
    }
    listed = {(method.upper(), path) for path, item in described()["paths"].items() for method in item}
    assert routed == listed


# Pages are no API, and Twilio's own description is the one of what is served in its place.
PAGES = ("/v2/", "/assets/", "/enroll/", "/c/", "/account/", "/status", "/console")


def test_operations_are_named_once_and_say_what_they_do():
    operations = [op for item in described()["paths"].values() for op in item.values()]
    names = [op["operationId"] for op in operations]
    assert len(names) == len(set(names))
    assert all(op["summary"] and op["tags"] for op in operations)


@SCHEMA.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
    ],
)
def test_answers_are_as_described(case, stack):
    response = case.call(base_url=stack.url, headers=HEADERS, timeout=30)
    case.validate_response(response, checks=checks_of(case.operation.path, case.method, response.status_code))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/challenges", {"user_id": "linked", "phone": "+14155550178"}),
        ("/v1/enrollments", {"user_id": "linked"}),
        ("/v1/ops/webhooks", {"url": "https://127.0.0.1/hook"}),
    ],
)
def test_links_lead_from_what_is_made_to_all_that_can_be_done_with_it(stack, path, body):
    paths = openapi.describe()["paths"]
    below = {
        operation["operationId"]: (method.upper(), template)
        for template, item in paths.items()
        if template.startswith(f"{path}/{{id}}")
        for method, operation in item.items()
    }
    links = paths[path]["post"]["responses"]["201"]["links"]
    assert {link["operationId"] for link in links.values()} == below.keys()
    for link in links.values():
        assert link["parameters"] == {"id": "$response.body#/id"}
        made = stack.api("POST", path, body).json()
        method, template = below[link["operationId"]]
        answer = stack.api(method, template.format(id=made["id"]), None if method == "GET" else {})
        assert answer.status_code in (200, 202, 204, 409, 422, 429), (template, answer.text)


def test_a_whole_login_is_as_described(stack):
    """What random requests do not reach: answers of a challenge that is going on."""
    api = stack.api
    stack.redis().delete("otp:{00}:modes")  # whatever random requests left
    app, _ = api.enroll("described")

    def conforms(method, path, response, **variables):
        operation = SCHEMA[path][method]
        operation.validate_response(response)
        return response.json()

    started = api(
        "POST", "/v1/challenges", {"user_id": "described", "phone": "+14155550177", "email": "d@x.example"}
    )
    challenge = conforms("POST", "/v1/challenges", started)
    path = f"/v1/challenges/{challenge['id']}"
    conforms("GET", "/v1/challenges/{id}", api("GET", path))
    conforms("POST", "/v1/challenges/{id}/resend", api("POST", f"{path}/resend", {}))
    conforms("POST", "/v1/challenges/{id}/switch", api("POST", f"{path}/switch", {"channel": "email"}))
    conforms("POST", "/v1/challenges/{id}/verify", api("POST", f"{path}/verify", {"code": "000000"}))
    verdict = conforms(
        "POST", "/v1/challenges/{id}/verify", api("POST", f"{path}/verify", {"code": app.now()})
    )
    assert verdict["valid"] is True
    conforms("GET", "/v1/challenges/{id}", api("GET", path))
    conforms("POST", "/v1/challenges/{id}/verify", api("POST", f"{path}/verify", {"code": "000000"}))
    for method, path, body in (
        ("GET", "/v1/users/{user_id}/factors", None),
        ("PUT", "/v1/users/{user_id}/contacts", {"phone": "+14155550177"}),
        ("POST", "/v1/users/{user_id}/backup-codes", {}),
        ("GET", "/v1/ops/mode", None),
        ("PUT", "/v1/ops/mode", {"mode": "auto", "reason": "x"}),
    ):
        conforms(method, path, api(method, path.format(user_id="described"), body))


@pytest.mark.parametrize("status", [404, 405])
def test_what_is_not_there_is_a_problem_too(stack, status):
    path = {404: "/v1/nothing", 405: "/v1/challenges"}[status]
    answer = requests.patch(stack.url + path, timeout=5)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert {"type", "title", "status", "detail", "code", "request_id"} <= answer.json().keys()
    if status == 405:
        assert "POST" in answer.headers["Allow"]
