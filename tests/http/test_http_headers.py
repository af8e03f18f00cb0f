"""What browsers are told by every answer, whichever it is."""

import re

import pytest
import requests

from service.app import build
from service.core import build_core
from service.http.application import create_app
from service.settings import Settings
from tests.support.stack import API_KEY

AUTHORISED = {"Authorization": f"Bearer {API_KEY}"}
LIVES_LONG = {
    "/assets/<name>",
    "/.well-known/jwks.json",
    "/status/badge.svg",
    "/docs",
    "/docs/<page>",
}  # nothing personal in them


@pytest.fixture
def client(stack, monkeypatch):
    """The application in this process, and its routes."""

    def made(**more):
        for name, value in {**stack.env, **more}.items():
            if name.startswith(("OTP_", "REDIS_", "TWILIO_", "SMTP_", "MAIL_")):
                monkeypatch.setenv(name, value)
        app = create_app(build(build_core(Settings.load())))
        return app.test_client(), list(app.url_map.iter_rules())

    return made


def check(answer, path):
    headers = answer.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy, path
    assert "frame-ancestors 'none'" in policy or "sandbox" in policy, path
    assert not {"'unsafe-inline'", "'unsafe-eval'", "*"} & set(policy.split()) or path.startswith("/assets/")
    assert headers["X-Content-Type-Options"] == "nosniff", path
    assert headers["X-Frame-Options"] == "DENY", path
    assert headers["Referrer-Policy"] == "no-referrer", path
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
    assert headers["Cross-Origin-Resource-Policy"] in ("same-origin", "cross-origin"), path
    assert "geolocation=()" in headers["Permissions-Policy"], path
    assert headers["X-Request-Id"], path
    assert headers["Cache-Control"] == "no-store" or path in LIVES_LONG, path
    names = [name.lower() for name in headers.keys() if name.lower() != "set-cookie"]  # noqa: SIM118 - each time
    assert len(names) == len(set(names)), path


def test_every_answer_of_every_route(client):
    browser, rules = client()
    walked = 0
    for rule in rules:
        path = re.sub(r"<(?:\w+:)?(\w+)>", "x", rule.rule)
        for method in sorted(rule.methods - {"OPTIONS"}):
            for headers in ({}, AUTHORISED):
                if path == "/v1/ops/events" or rule.rule.endswith("/live"):
                    continue  # streams; of them below
                answer = browser.open(path, method=method, headers=headers)
                check(answer, rule.rule)
                walked += 1
        check(browser.open(path, method="BREW"), "a method that is none")
    assert walked > 150
    for path in (
        "/",
        "/nothing",
        "/v1/nothing",
        "/status/nothing",
        "/console/nothing",
        "/enroll/s/x/nothing",
    ):
        check(browser.get(path), path)


def test_streams_too(stack):
    answer = requests.get(f"{stack.url}/v1/ops/events?for=1", headers=AUTHORISED, timeout=10)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    check(answer, "/v1/ops/events")


def test_what_may_be_kept_is_known(client):
    browser, _ = client()
    style = re.search(r"/assets/ui\.\w+\.css", browser.get("/status").text)[0]
    assert "immutable" in browser.get(style).headers["Cache-Control"]
    assert browser.get("/assets/nothing").headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("public_url", "told"),
    [("https://login.example", True), ("http://login.example", False), ("", False)],
)
def test_browsers_that_came_by_tls_are_asked_to_come_by_it_again(client, public_url, told):
    browser, _ = client(OTP_PUBLIC_URL=public_url)
    for path in ("/status", "/healthz", "/nothing"):
        value = browser.get(path).headers.get("Strict-Transport-Security")
        assert value == ("max-age=31536000" if told else None)


def test_the_server_does_not_say_which_program_it_is(stack):
    for path in ("/healthz", "/nothing", "/status"):
        server = requests.get(stack.url + path, timeout=5).headers["Server"]
        assert server == "otp-fallback"


# Links


HOSTILE = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Prefix": "/evil",
    "Forwarded": "host=evil.example;proto=https",
    "X-Original-Host": "evil.example",
    "X-Host": "evil.example",
    "X-Script-Name": "/evil",
    "Script-Name": "/evil",
}


def links_of(browser, headers):
    """Every address of ours in answers: of pages for users, of the status page and its feed."""
    given = {**AUTHORISED, **headers}
    asked = {"user_id": "l", "email": "l@mail.example", "return_url": "http://127.0.0.1/back"}
    started = browser.post("/v1/challenges", json=asked, headers=given)
    enrolling = browser.post("/v1/enrollments", json={"user_id": "l"}, headers=given)
    account = browser.post("/v1/users/l/link", json={}, headers=given)
    feed = browser.get("/status.atom", headers=given)
    summary = browser.get("/api/v2/summary.json", headers=given)
    assert [a.status_code for a in (started, enrolling, account, feed, summary)] == [201, 201, 201, 200, 200]
    return [
        started.json["challenge_url"],
        enrolling.json["enrollment_url"],
        account.json["account_url"],
        feed.text,
        summary.json["page"]["url"],
    ]


def test_links_are_of_the_public_url_whatever_the_request_says(client):
    browser, _ = client(OTP_PUBLIC_URL="https://login.example", OTP_RETURN_URLS="http://127.0.0.1")
    for link in links_of(browser, HOSTILE):
        assert "https://login.example" in link
        assert "evil" not in link


def test_without_one_headers_of_proxies_are_not_believed_all_the_same(client):
    """In development links go where this caller reaches us: its own `Host`, told to itself alone."""
    browser, _ = client()
    for link in links_of(browser, {**HOSTILE, "Host": "otp.internal:8080"}):
        assert "http://otp.internal:8080" in link
        assert "evil" not in link


@pytest.mark.parametrize(
    "host", ["evil.example/path", "a b", "a@b", "x?y", "x#y", "", "a\\b", "[::1", "x:port"]
)
def test_a_host_that_is_none_makes_no_link(client, host):
    browser, _ = client()
    answer = browser.post("/v1/enrollments", json={"user_id": "l"}, headers={**AUTHORISED, "Host": host})
    assert (answer.status_code, answer.json["code"]) == (400, "bad_request")
