"""OpenTelemetry: spans sent by OTLP over HTTP, with nothing in them about anybody.

What instrumentations note of a request may hold anything: paths with user ids, a caller's headers, the text
of errors. So a span is made anew before it leaves, of what is listed here.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from flask import Flask
from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, Status, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

import service

TOLD = frozenset(
    "http.method http.request.method http.route http.status_code http.response.status_code"
    " db.system db.system.name error.type".split()
)
UNTRACED = "healthz,readyz,metrics"


class Tracing:
    """The traces of this process."""

    def __init__(self, endpoint: str) -> None:
        named = Resource({SERVICE_NAME: "otp-fallback", SERVICE_VERSION: service.__version__})
        provider = TracerProvider(
            resource=Resource.create().merge(named).merge(OTELResourceDetector().detect()),
            sampler=ParentBased(_Work()),
        )
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")
        provider.add_span_processor(BatchSpanProcessor(_Discreet(exporter)))
        trace.set_tracer_provider(provider)
        # A caller's trace goes on here; its baggage, which may hold anything, is not taken up.
        propagate.set_global_textmap(TraceContextTextMapPropagator())
        URLLib3Instrumentor().instrument()
        RedisInstrumentor().instrument()
        self._tracer = provider.get_tracer("otp-fallback", service.__version__)

    def follow(self, app: Flask) -> None:
        """Make every request to an application a span."""
        FlaskInstrumentor.instrument_app(app, excluded_urls=UNTRACED)  # type: ignore[no-untyped-call]

    def span(self, name: str) -> AbstractContextManager[object]:
        """A span of ours."""
        return self._tracer.start_as_current_span(name)


class _Work(Sampler):
    """Begins a trace with a request or a job; the workers' looks for jobs, many a second, are none."""

    def should_sample(
        self,
        parent_context: object,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Whether a span without a parent is kept."""
        decision = Decision.DROP if kind is SpanKind.CLIENT else Decision.RECORD_AND_SAMPLE
        return SamplingResult(decision, attributes, trace_state)

    def get_description(self) -> str:
        """For people."""
        return "requests and jobs"


class _Discreet(SpanExporter):
    """Passes spans on without what they may have been told about people."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans to the collector."""
        return self._exporter.export([_discreet(span) for span in spans])

    def shutdown(self) -> None:
        """Send what is left, and end."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is left."""
        return self._exporter.force_flush(timeout_millis)


def _discreet(span: ReadableSpan) -> ReadableSpan:
    told = {name: value for name, value in (span.attributes or {}).items() if name in TOLD}
    name = span.name
    if span.kind is SpanKind.SERVER:  # where no route fits, it would be the path
        name = f"{told.get('http.method') or told.get('http.request.method')} {told.get('http.route', '-')}"
    return ReadableSpan(
        name=name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=told,
        kind=span.kind,
        status=Status(span.status.status_code),  # without its description, which is an error's text
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
