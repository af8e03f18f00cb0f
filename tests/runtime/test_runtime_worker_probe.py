"""What a worker that runs by itself tells whoever watches it."""

from werkzeug.test import Client

from service.telemetry import metrics
from service.worker.probe import STALE, Probe


def test_it_is_ready_while_it_looks_at_what_is_due():
    now = 1000.0
    probe = Probe("127.0.0.1", 0, clock=lambda: now)
    client = Client(probe.answer)
    assert client.get("/readyz").status_code == 503  # Redis was not reached yet
    probe.saw()
    assert client.get("/readyz").status_code == 200
    now += STALE
    assert client.get("/readyz").status_code == 200
    now += 1  # Redis is away: no calls, and no restart
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


def test_it_tells_its_metrics_and_nothing_else():
    client = Client(Probe("127.0.0.1", 0).answer)
    metrics.OUTBOX_LAG.set(1.5)
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "\notp_outbox_lag_seconds 1.5\n" in answer.text
    assert client.get("/v1/ops/health").status_code == 404
