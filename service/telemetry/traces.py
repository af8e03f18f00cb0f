"""Traces, where the extra `otp-fallback[otel]` is installed and a collector is set; nothing otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flask import Flask

from service.telemetry import logs

if TYPE_CHECKING:
    from service.telemetry.otel import Tracing

_log = logs.get("traces")
_tracing: "Tracing | None" = None


def configure(endpoint: str | None) -> None:
    """Begin to trace this process; called once, before anything connects.

    Args:
        endpoint: the collector (`OTEL_EXPORTER_OTLP_ENDPOINT`); other `OTEL_*` variables are for the SDK.
    """
    global _tracing  # noqa: PLW0603 - a process has one, as OpenTelemetry sees it
    if endpoint is None or _tracing is not None:
        return
    try:
        from service.telemetry.otel import Tracing  # noqa: PLC0415 - an extra
    except ImportError:
        _log.warning("traces_not_installed")
        return
    _tracing = Tracing(endpoint)


def follow(app: Flask) -> None:
    """Make every request to an application a span."""
    if _tracing is not None:
        _tracing.follow(app)


@contextmanager
def span(name: str) -> Iterator[None]:
    """Something worth a span of its own. Its name is a fixed text: nothing about anybody."""
    if _tracing is None:
        yield
        return
    with _tracing.span(name):
        yield
