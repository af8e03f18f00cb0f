"""What needs no API key: health, metrics, keys to check proofs with, the API's description."""

import os

from flask import Blueprint, Response, current_app, jsonify
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from service.app import Services
from service.domain.signing import PUBLISHED_FOR
from service.http import openapi

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
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:  # prometheus_client reads it there as well
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


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
    return Response(openapi.as_yaml(), content_type="application/yaml")
