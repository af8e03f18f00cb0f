"""What needs no API key: health, metrics, keys to check proofs with, the API's description."""

from flask import Blueprint, Response, current_app, jsonify

from service.app import Services
from service.domain.signing import PUBLISHED_FOR
from service.telemetry.exposition import CONTENT_TYPE, exposition

api = Blueprint("public", __name__)


@api.get("/healthz")
def healthz() -> Response:
    """Whether the process answers."""
    return jsonify(status="ok")


@api.get("/readyz")
def readyz() -> Response:
    """Whether it can serve: Redis answers. Otherwise 503, by the error's own mapping."""
    services: Services = current_app.extensions["otp"]
    services.core.store.batch([("PING",)])
    return jsonify(status="ok")


@api.get("/metrics")
def metrics() -> Response:
    """Metrics of all processes of this host, in Prometheus' format."""
    return Response(exposition(), content_type=CONTENT_TYPE)


@api.get("/.well-known/jwks.json")
def jwks() -> Response:
    """The keys that proofs are checked with."""
    services: Services = current_app.extensions["otp"]
    response = jsonify(services.proofs.jwks())
    response.headers["Cache-Control"] = f"public, max-age={PUBLISHED_FOR // 1000}"
    return response


@api.get("/openapi.yaml")
def openapi_yaml() -> Response:
    """This API's description."""
    from service.http.openapi import as_yaml  # noqa: PLC0415 - few ask for it, and it takes long to import

    return Response(as_yaml(), content_type="application/yaml")
