"""The provider's status page: evidence that lowers the bars, and never more."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from test_health_flows import ROUTE, Clock, clock, decide, process, server, services, start, state  # noqa: F401

from service.flows.status_feed import WatchStatusPage
from service.providers.statuspage import FeedFailure, StatusPage


def summary(indicator, *components):
    return json.dumps(
        {
            "page": {"id": "x", "name": "Twilio"},
            "status": {"indicator": indicator, "description": "words"},
            "components": [{"id": "1", "name": name, "status": status} for name, status in components],
            "incidents": [],
            "scheduled_maintenances": [],
        }
    ).encode()


@pytest.fixture
def page():
    told = SimpleNamespace(body=summary("none"), status=200, etag='"1"', asked=[])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            told.asked.append(self.headers.get("If-None-Match"))
            if self.headers.get("If-None-Match") == told.etag:
                self.send_response(304)
                self.end_headers()
                return
            self.send_response(told.status)
            self.send_header("ETag", told.etag)
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    told.url = f"http://127.0.0.1:{http.server_port}/api/v2/summary.json"
    yield told
    http.shutdown()
    http.server_close()


@pytest.fixture
def watch(page, services, clock):  # noqa: F811
    return WatchStatusPage(StatusPage(page.url), services.health, services.decide_health, clock=clock)


def test_it_is_asked_only_for_what_changed(page):
    reader = StatusPage(page.url)
    assert reader.fetch().status.indicator == "none"
    assert reader.fetch() is None
    page.etag, page.body = '"2"', summary("major", ("Verify", "major_outage"), ("Voice", "operational"))
    said = reader.fetch()
    assert said.trouble() == ["Verify"]
    assert page.asked == [None, '"1"', '"1"']


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (500, b"", "http_500"),
        (200, b"<html>", "unreadable"),
        (200, b'{"status": {"indicator": "purple"}}', "unreadable"),
        (200, b"x" * 3_000_000, "connection"),
    ],
)
def test_what_can_not_be_read(page, status, body, why):
    page.status, page.body = status, body
    with pytest.raises(FeedFailure, match=why):
        StatusPage(page.url).fetch()


def test_trouble_is_shown_and_lowers_the_bars_but_opens_nothing(page, watch, services, server, clock):  # noqa: F811
    start(services)
    decide(services, clock)
    page.body = summary("critical", ("Verify", "major_outage"))
    assert watch.look() == 60
    decide(services, clock, 2)
    states, feed, _ = services.health.overview()
    assert (feed.indicator, feed.components) == ("critical", ["Verify"])
    assert states[ROUTE].evidence.warned
    assert states[ROUTE].state == "closed"
    (event,) = [e for e in server.events() if e["type"] == "provider.status_page"]
    assert (event["provider"], event["indicator"]) == ("twilio_verify", "critical")
    server.sandbox.fail("http_503")
    for _ in range(3):  # three faults in a row are enough now
        start(services)
    decide(services, clock)
    assert state(services) == "open"


def test_a_warning_lapses_once_the_page_is_quiet(page, watch, services, server, clock):  # noqa: F811
    start(services)
    decide(services, clock)
    page.body = summary("minor")
    watch.look()
    page.etag, page.body = '"2"', summary("none")
    watch.look()
    decide(services, clock, 200)
    start(services)
    decide(services, clock, 2)
    assert not services.health.states()[ROUTE].evidence.warned


def test_a_page_that_can_not_be_read_is_asked_less_and_less(page, watch):
    page.status = 500
    waits = [watch.look() for _ in range(6)]
    assert 90 <= waits[0] <= 150
    assert waits[-1] > 600
    assert max(waits) <= 900 * 1.2
    page.status = 200
    assert watch.look() == 60
