"""Traces: what a collector gets, over the wire, and what it does not."""

import gzip
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.secrecy import busy, leaks
from tests.support.stack import ROOT, TOKEN, wait_until


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.batches: list[ExportTraceServiceRequest] = []
        batches = self.batches

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/traces":
                    batches.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def spans(self):
        return [
            span
            for batch in list(self.batches)
            for resource in batch.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name):
        return [span for span in self.spans() if span.name == name]


@pytest.fixture(scope="module")
def collector():
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


@pytest.fixture(scope="module")
def options(collector):
    return {
        "worker_process": True,
        "OTP_DELIVERY_DEADLINE": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server.server_port}",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }


def attributes(span):
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def test_a_request_is_a_trace_that_goes_on_the_callers(api, collector, person):
    trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = {"traceparent": f"00-{trace}-{caller}-01", "baggage": f"user={person.email}"}
    answer = api("POST", "/v1/challenges", {"user_id": person.id, "phone": person.phone}, headers=headers)
    assert answer.status_code == 201

    def found():
        return {span.name: span for span in collector.spans() if span.trace_id.hex() == trace}

    wait_until(lambda: "POST /v1/challenges" in found())
    spans = found()
    request, send, call = spans["POST /v1/challenges"], spans["send sms"], spans["POST"]
    assert request.parent_span_id.hex() == caller
    assert (send.parent_span_id, call.parent_span_id) == (request.span_id, send.span_id)
    assert (request.kind, call.kind) == (Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT)
    assert attributes(request) == {
        "http.method": "POST", "http.route": "/v1/challenges", "http.status_code": 201,
    }  # fmt: skip
    assert any(attributes(span).get("db.system") == "redis" for span in spans.values())


def test_jobs_are_traces_and_looks_for_them_are_not(api, collector, person):
    api.start(person.id, phone=person.phone, email=person.email)
    wait_until(lambda: collector.named("deadline"))
    (job, *_) = collector.named("deadline")
    wait_until(lambda: [span for span in collector.spans() if span.parent_span_id == job.span_id])
    assert not job.parent_span_id
    roots = {span.name for span in collector.spans() if not span.parent_span_id}
    assert {kind for span in collector.spans() if not span.parent_span_id for kind in [span.kind]} <= {
        Span.SPAN_KIND_SERVER,
        Span.SPAN_KIND_INTERNAL,
    }, roots


def test_nobody_can_be_found_in_them(stack, api, collector, person):
    secrets = busy(stack, person) | {TOKEN, "query-4711", "agent-4711"}
    api("GET", f"/v1/users/{person.id}/factors?code=query-4711", headers={"User-Agent": "agent-4711"})
    api("GET", f"/{person.email}/{person.phone}")
    api(person.email.partition("@")[0].upper(), "/v1/challenges")
    client = stack.redis()
    broken = api.start(person.id, phone=person.phone)
    record = f"otp:{{{broken['id'][3:5]}}}:c:{broken['id'][3:]}"
    client.set(record, f'{{"id": "{person.phone}", "{person.email}')
    assert api.verify(broken["id"], "975310").status_code == 500
    client.delete(record)
    wait_until(lambda: [s for s in collector.spans() if s.status.code == Status.STATUS_CODE_ERROR])
    wait_until(lambda: collector.named("GET /v1/users/<path:user_id>/factors"))
    wait_until(lambda: collector.named("NotifyChanges"))
    told = "\n".join(map(str, collector.batches))
    assert "EVALSHA" in told
    assert [secret for secret in secrets | {"975310"} if leaks(told, secret)] == []
    assert not any(span.events or span.status.message for span in collector.spans())
    resource = {
        a.key: a.value.string_value for a in collector.batches[0].resource_spans[0].resource.attributes
    }
    assert resource["service.name"] == "otp-fallback"


def test_health_and_metrics_are_not_traced(stack, api, collector, person):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert api("GET", path).status_code == 200
    api("GET", "/v1/ops/mode")
    wait_until(lambda: collector.named("GET /v1/ops/mode"))
    names = {span.name for span in collector.spans()}
    assert not {name for name in names if "healthz" in name or "readyz" in name or "metrics" in name}


def run(code):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def test_without_a_collector_nothing_is_loaded():
    run("""
import sys
from service.telemetry import traces
traces.configure(None)
with traces.span("x"):
    assert not [name for name in sys.modules if name.startswith("opentelemetry")]
""")


def test_without_the_extra_it_is_said_and_the_service_goes_on():
    done = run("""
import sys
sys.modules["opentelemetry"] = None
from service.telemetry import logs, traces
logs.configure()
traces.configure("http://127.0.0.1:1")
with traces.span("x"):
    print("went on")
""")
    assert done.stdout == "went on\n"
    assert json.loads(done.stderr)["event"] == "traces_not_installed"
