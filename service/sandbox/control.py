"""The control API, JSON under ``/sandbox``: read the messages, choose failures, count requests."""

import json
from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request

from service.sandbox.failures import Failures, MalformedRuleError, describe
from service.sandbox.messages import Messages
from service.sandbox.tally import Tally

MAX_WAIT = 60.0  #: seconds one long poll may take
MAX_LIMIT = 1000


def blueprint(
    messages: Messages, failures: Failures, tally: Tally, release: Callable[[int | None], None]
) -> Blueprint:
    """The routes; ``release`` breaks off what a rule (or any, when None) keeps waiting."""
    routes = Blueprint("control", __name__, url_prefix="/sandbox")

    @routes.get("/messages")
    def list_messages() -> Response:
        found = messages.wait(
            min(max(request.args.get("wait", 0.0, float), 0.0), MAX_WAIT),
            to=_recipient(request.args.get("to")),
            channel=request.args.get("channel"),
            after=request.args.get("after", 0, int),
            limit=min(max(request.args.get("limit", 50, int), 1), MAX_LIMIT),
        )
        return jsonify(messages=[message.json() for message in found])

    @routes.delete("/messages")
    def clear_messages() -> tuple[str, int]:
        messages.clear()
        return "", 204

    @routes.get("/failures")
    def list_failures() -> Response:
        return jsonify(failures=[describe(rule) for rule in failures.list()])

    @routes.post("/failures")
    def add_failure() -> tuple[Response, int]:
        try:
            given = json.loads(request.get_data())
        except ValueError:
            given = None
        if not isinstance(given, dict):
            return jsonify(error={"field": None, "message": "the body must be a JSON object"}), 422
        try:
            return jsonify(describe(failures.add(given))), 201
        except MalformedRuleError as error:
            return jsonify(error={"field": error.field, "message": str(error)}), 422

    @routes.delete("/failures", defaults={"rule_id": None})
    @routes.delete("/failures/<int:rule_id>")
    def remove_failures(rule_id: int | None) -> tuple[Response | str, int]:
        removed = failures.remove(rule_id)
        release(rule_id)
        if rule_id is not None and not removed:
            return jsonify(error={"message": f"there is no failure {rule_id}"}), 404
        return "", 204

    @routes.get("/requests")
    def list_requests() -> Response:
        return jsonify(tally.json())

    @routes.delete("/requests")
    def reset_requests() -> tuple[str, int]:
        tally.reset()
        return "", 204

    return routes


def _recipient(to: str | None) -> str | None:
    """A number whose plus sign was not escaped arrives with a space in its place."""
    return f"+{to.strip()}" if to and to.startswith(" ") else to
