"""`openapi.yaml` in the eyes of a linter that is not ours; its examples, codes and webhooks against the code."""

import json
import subprocess

import jsonschema
import pytest
import yaml

from service.domain.events import TOLD, told
from service.http import codes
from service.http.examples import _all
from service.http.openapi import OPERATIONS
from tests.support.stack import ROOT, running
from tests.support.tools import npm_packages

MODELS = {
    model.__name__: model
    for operation in OPERATIONS
    for model in (operation.body, *operation.answers.values())
    if model is not None
}
DESCRIBED = yaml.safe_load((ROOT / "openapi.yaml").read_text())


def linted(description):
    """What Spectral has to say of a description."""
    folder = ROOT / "tests" / "node"
    spectral = npm_packages(folder) / ".bin" / "spectral"
    return subprocess.run(
        [str(spectral), "lint", "--fail-severity", "hint", "--ruleset", ".spectral.yaml", str(description)],
        cwd=folder, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_spectral_finds_nothing():
    done = linted(ROOT / "openapi.yaml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_description_that_is_wrong_is_found(tmp_path):
    wrong = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    body = wrong["paths"]["/v1/challenges"]["post"]["requestBody"]["content"]["application/json"]
    body["examples"]["login"]["value"]["user_id"] = 7
    (tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    done = linted(tmp_path / "wrong.yaml")
    assert done.returncode != 0
    assert "user_id" in done.stdout


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_has_examples_that_it_takes(name):
    assert _all()[name]
    for value in _all()[name].values():
        MODELS[name].model_validate_json(json.dumps(value))


def test_every_operation_names_its_scope_and_every_error_its_codes():
    for path, item in DESCRIBED["paths"].items():
        for method, operation in item.items():
            if not path.startswith("/v1/"):
                continue
            assert operation["security"][0]["api_key"], f"{method} {path}"
            for status, answer in operation["responses"].items():
                if status[0] in "45":
                    assert described_codes(answer), f"{method} {path} {status}"


def described_codes(answer):
    while "$ref" in answer:
        found = DESCRIBED
        for step in answer["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        answer = found
    return answer["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]


def test_every_code_has_the_status_of_its_error_and_is_told_by_some_operation():
    for code, example in DESCRIBED["components"]["examples"].items():
        assert example["value"]["status"] == codes.known()[code].status
        assert example["summary"]
    named = {code for operation in OPERATIONS for code in operation.errors}
    assert named <= DESCRIBED["components"]["examples"].keys()


def test_every_event_that_is_told_is_described():
    assert set(DESCRIBED["webhooks"]) == {*TOLD, "webhook.test"}


def test_what_happens_is_as_the_webhooks_are_described():
    """Events of a login in an outage, and of operators' deeds, against the schemas of their messages."""
    seen = set()
    with running() as stack:
        api, sandbox = stack.api, stack.sandbox
        app, codes_left = api.enroll("alice")
        sandbox.fail("http_500")
        first = api.start("alice", phone="+14155550123", email="alice@example.com")
        api.verify(first["id"], "000000")
        api.verify(first["id"], app.now())
        api.start("bob", phone="+14155550124")
        third = api.start("carol", email="carol@example.com")
        api("POST", f"/v1/challenges/{third['id']}/cancel", {})
        fourth = api.start("alice", phone="+14155550123")
        api.verify(fourth["id"], codes_left[0])
        api("PUT", "/v1/users/alice/contacts", {"phone": "+14155550123"})
        api("PUT", "/v1/ops/mode", {"mode": "fallback", "reason": "x", "expires_in": 60})
        api("POST", "/v1/users/alice/backup-codes", {})
        api("DELETE", "/v1/users/alice")
        client = stack.redis()
        outbox = [fields for key in client.scan_iter("otp:*:outbox") for _, fields in client.xrange(key)]
        for fields in outbox:
            kind = fields[b"type"].decode()
            data = told(kind, json.loads(fields[b"data"]))
            if data is None:
                continue
            seen.add(kind)
            content = DESCRIBED["webhooks"][kind]["post"]["requestBody"]["content"]
            message = {"type": kind, "timestamp": "2026-03-02T09:30:00Z", "data": data}
            jsonschema.validate(message, content["application/json"]["schema"])
    assert seen >= {
        *("challenge.created", "challenge.send_failed", "challenge.switched", "challenge.wrong_code"),
        *("challenge.approved", "challenge.canceled", "challenge.failed", "mode.changed", "user.deleted"),
        *("factor.enrolled", "backup_code.used", "backup_codes.renewed", "contacts.changed"),
    }
