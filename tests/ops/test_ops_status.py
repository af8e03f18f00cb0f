"""What everybody may see: the page, Statuspage's summary, the feed, the badge; through an outage."""

import re
import xml.etree.ElementTree as ET
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from service.domain.channels import Channel
from service.domain.incidents import Incident, TimelineEntry
from service.domain.uptime import DAY, DAYS, Component, days_of, worst_of
from tests.support.stack import wait_until
from tests.support.visitor import Visitor

NOW = 1_790_000_000_000
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture(scope="module")
def options():
    # One web process, since each gives its last look again for two seconds.
    return {
        "workers": 1,
        "worker_process": True,
        "OTP_DELIVERY_DEADLINE": "600",
        "OTP_ISSUER": "Shop & Sons <3",
    }


def incident(opened, resolved=0, routes=("twilio_verify/sms/+1",), impact="minor"):
    return Incident(
        id="inc_1", provider="twilio_verify", opened_at=opened, updated_at=opened, resolved_at=resolved,
        impact=impact, troubled={}, affected=tuple(routes), timeline=(TimelineEntry(at=opened, kind="opened"),),
    )  # fmt: skip


moments = st.integers(NOW - 120 * DAY, NOW)


@given(st.lists(st.tuples(moments, moments, st.sampled_from(["minor", "major"]))))
def test_trouble_is_counted_once_whatever_overlaps(spans):
    made = [incident(min(a, b), max(a, b), impact=impact) for a, b, impact in spans]
    days = days_of(Channel.SMS, made, NOW)
    assert [day.start for day in days] == [NOW // DAY * DAY - n * DAY for n in range(DAYS - 1, -1, -1)]
    minute = 60_000 * 60
    for day in days:
        assert 0 <= day.trouble <= DAY
        covered = sum(
            any(i.opened_at <= at < i.resolved_at for i in made)
            for at in range(day.start, day.start + DAY, minute)
        )
        assert abs(day.trouble - covered * minute) <= minute * (2 * len(made) + 1)
        assert (day.impact is None) <= (day.trouble == 0)
    assert 0 <= Component(Channel.SMS, "operational", 0, days).uptime <= 1
    assert all(day.trouble == 0 for day in days_of(Channel.VOICE, made, NOW))


def test_one_that_goes_on_counts_until_now():
    today = days_of(Channel.SMS, [incident(NOW - 600_000)], NOW)[-1]
    assert (today.trouble, today.impact) == (600_000, "minor")


def test_the_worst_tells():
    assert worst_of([]) == "operational"
    assert worst_of(["partial_outage", "operational", "degraded_performance"]) == "partial_outage"


def summary(stack):
    answer = requests.get(f"{stack.url}/api/v2/summary.json", timeout=5)
    assert answer.status_code == 200
    return answer.json()


def test_through_an_outage(stack, api, sandbox, people, cli):
    quiet = summary(stack)
    assert quiet["status"] == {"indicator": "none", "description": "All Systems Operational"}
    assert quiet["page"]["name"] == "Shop & Sons <3"
    assert {c["id"]: c["status"] for c in quiet["components"]} == {
        "sms": "operational",
        "email": "operational",
    }
    assert quiet["incidents"] == []
    page = Visitor(stack.url).open(f"{stack.url}/status")
    assert "Everything works" in page.text
    assert page.answer.text.count("<rect") == 180
    assert len(page.answer.content) < 40_000
    sandbox.fail("http_500")
    for _ in range(6):
        other = people()
        api.start(other.id, phone=other.phone, email=other.email)
    down = wait_until(lambda: (found := summary(stack))["incidents"] and found)
    assert down["status"]["indicator"] == "major"
    (told,) = down["incidents"]
    assert (told["name"], told["impact"]) == ("Text messages are delayed", "major")
    assert [c["id"] for c in told["components"]] == ["sms"]
    assert told["incident_updates"][-1]["status"] == "investigating"
    cli("incidents", "update", told["id"], "Only operators read this.")
    cli("incidents", "update", told["id"], "Use your <b>app</b>.", "--public")
    wait_until(lambda: "Use your" in requests.get(f"{stack.url}/status", timeout=5).text)
    page = Visitor(stack.url).open(f"{stack.url}/status")
    assert "Codes are delayed" in page.text
    assert "You can sign in all the same" in page.text
    assert "Use your <b>app</b>." in page.text
    assert "Only operators" not in page.answer.text
    assert "twilio" not in page.answer.text.lower()  # whose fault it is, users need not know
    bodies = [u["body"] for u in summary(stack)["incidents"][0]["incident_updates"]]
    assert "Use your <b>app</b>." in bodies
    assert "Only operators read this." not in bodies
    feed = ET.fromstring(requests.get(f"{stack.url}/status.atom", timeout=5).content)
    (entry,) = feed.findall(f"{ATOM}entry")
    assert entry.find(f"{ATOM}title").text == "Text messages are delayed right now."
    assert "Use your <b>app</b>." in entry.find(f"{ATOM}content").text
    assert urlsplit(entry.find(f"{ATOM}id").text).fragment == told["id"]
    badge = requests.get(f"{stack.url}/status/badge.svg", timeout=5)
    assert badge.headers["Content-Type"].startswith("image/svg+xml")
    assert "Codes are delayed" in "".join(ET.fromstring(badge.content).itertext())
    cli("incidents", "update", told["id"], "It is over.", "--status", "resolved")
    wait_until(lambda: not summary(stack)["incidents"])
    assert "It lasted 1 minute." in Visitor(stack.url).open(f"{stack.url}/status").text


def test_a_forced_fallback_shows(stack, cli):
    cli("mode", "fallback", "--reason", "x")
    try:
        wait_until(
            lambda: (
                next(c for c in summary(stack)["components"] if c["id"] == "sms")["status"] != "operational"
            )
        )
    finally:
        cli("mode", "auto", "--reason", "x")


@pytest.mark.parametrize("language", ["de", "es", "fr", "pt", "ja", "ar"])
def test_languages(stack, language):
    html = Visitor(stack.url, language).open(f"{stack.url}/status").answer.text
    assert f'lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}"' in html
    for english in ("The last 90 days", "Text messages", "no trouble", "Nothing happened", "without trouble"):
        assert english not in html
    assert (
        f'lang="{language}"' in Visitor(stack.url).open(f"{stack.url}/status?locale={language}").answer.text
    )


def test_headers(stack):
    page = requests.get(f"{stack.url}/status", timeout=5)
    assert "Set-Cookie" not in page.headers
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"\sstyle=|<style|\son\w+=", page.text)
    assert (
        requests.get(f"{stack.url}/api/v2/summary.json", timeout=5).headers["Access-Control-Allow-Origin"]
        == "*"
    )


def test_when_redis_is_away(stack):
    stack.valkey.kill()
    try:
        # What was told a moment ago is told again for a while, so ask until it has to look.
        wait_until(lambda: requests.get(f"{stack.url}/status", timeout=10).status_code == 503, 20)
        answer = requests.get(f"{stack.url}/api/v2/summary.json", timeout=10)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
    finally:
        stack.start_valkey()
    wait_until(lambda: requests.get(f"{stack.url}/status", timeout=10).status_code == 200)
