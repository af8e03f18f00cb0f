"""What is worth an alert, and what it says: pure."""

from service.domain.alerts import (
    ROUTES_SHOWN,
    account_alert,
    drill_alert,
    fraud_alert,
    incident_alert,
    is_worth_it,
    mode_alert,
    runbook,
    topic,
)
from service.domain.incidents import Incident
from service.domain.mode import Mode
from tests.support.stack import ROOT

ROUTE = "twilio_verify/sms/+91"
MINUTE = 60_000


def begun(route=ROUTE):
    return Incident.begun("inc_1", "twilio_verify", route, "consecutive_faults", 0)


def told(incident, kind="incident.opened", now=5 * MINUTE, **options):
    return incident_alert(
        kind, incident, now, **{"mode": Mode.AUTO, "base": None, "told_at": None, **options}
    )


def test_what_is_worth_one():
    failed = {"provider": "smtp", "failure_class": "account", "code": "20003", "remembered": False}
    worth = [
        ("incident.opened", {}),
        ("incident.resolved", {}),
        ("incident.updated", {"worsened": True}),
        ("incident.updated", {"worsened": False, "text": "Use your app."}),
        ("mode.changed", {}),
        ("drill.finished", {"stopped_by": "safety"}),
        ("challenge.send_failed", failed),
        ("challenge.send_failed", {**failed, "failure_class": "recipient", "code": "60410"}),
        ("fraud.suspected", {}),
    ]
    assert all(is_worth_it(*one) for one in worth)
    needless = [
        ("incident.updated", {"worsened": False}),
        ("drill.started", {}),
        ("drill.finished", {"stopped_by": None}),
        ("drill.finished", {"stopped_by": "operator"}),
        ("challenge.send_failed", {**failed, "failure_class": "provider_fault"}),
        ("challenge.send_failed", {**failed, "remembered": True}),
        ("challenge.failed", {}),
        ("provider.circuit_open", {}),
    ]
    assert not any(is_worth_it(*one) for one in needless)


def test_an_incident_in_words():
    alert = told(begun().worsened(1))
    assert alert.key == "inc_1"
    assert alert.level == "failure"
    assert alert.title == "Incident opened inc_1: twilio_verify, impact major"
    assert alert.body.splitlines() == [
        "Status: investigating; impact: major (every route with traffic).",
        "Routes: twilio_verify/sms/+91 (open).",
        "Since: 1970-01-01T00:00:00.000Z (5 min).",
        "Meanwhile: users are prompted at once for authenticator app, e-mail or backup code. It probes without risking a login, and returns traffic by itself once five probes arrive.",
        "Runbook: deploy/runbooks/sms-down.md",
    ]
    assert told(begun()).level == "warning"
    assert "NOBODY IS SWITCHED" in told(begun(), mode=Mode.PRIMARY_ONLY).body


def test_its_end_in_words():
    over = begun().route_changed(ROUTE, "closed", "probes", 9 * MINUTE)
    alert = told(over, "incident.resolved", 60 * MINUTE)
    assert (alert.key, alert.level) == ("inc_1", "success")
    assert "(9 min)" in alert.body
    assert f"Routes: {ROUTE}." in alert.body
    assert "nothing is to be done" in alert.body


def test_only_what_operators_said_to_everybody_and_was_not_told_yet():
    incident = begun()
    for at, text, public in ((10, "old", True), (20, "new", True), (30, "for us", False)):
        incident = incident.said(text, "key_1", at, public=public, status=None)
    body = told(incident, "incident.updated", told_at=10).body
    assert "Said to everybody: new" in body
    assert "old" not in body
    assert "for us" not in body


def test_a_pager_takes_it_however_many_routes_there_are():
    incident = begun()
    for number in range(1, 200):
        incident = incident.route_changed(f"twilio_verify/whatsapp/+{number}", "open", "x", 1)
    for number in range(9):
        incident = incident.said("x" * 100, "key_1", 2 + number, public=True, status=None)
    alert = told(incident)
    assert (
        len(alert.title) + len(alert.body) < 1000 + 300
    )  # PagerDuty cuts at 1024, in the last lines at worst
    assert f"and {200 - ROUTES_SHOWN} more" in alert.body


def test_runbooks_that_exist():
    assert runbook(None, "smtp") == "deploy/runbooks/email-down.md"
    assert (
        runbook(None, "twilio_verify", [ROUTE, "twilio_verify/voice/+91"], "minor")
        == "deploy/runbooks/country-down.md"
    )
    assert (
        runbook(None, "twilio_verify", [ROUTE, "twilio_verify/sms/+1"], "minor")
        == "deploy/runbooks/sms-down.md"
    )
    assert runbook(None, "twilio_verify", ["twilio_verify/check"], "minor") == "deploy/runbooks/sms-down.md"
    assert runbook("https://wiki.example/otp", "twilio_verify") == "https://wiki.example/otp/sms-down.md"
    for provider, impact in (("smtp", "major"), ("twilio_verify", "minor"), ("twilio_verify", "major")):
        assert (ROOT / runbook(None, provider, [ROUTE], impact)).is_file()


def test_the_others_in_words():
    data = {
        "mode": "fallback",
        "country": "+91",
        "set_by": "cli:ann",
        "expires_at": "2026-01-01T00:00:00.000Z",
    }
    forced = mode_alert(data, 0, base=None)
    assert (forced.title, forced.level) == ("Mode fallback for country +91", "warning")
    assert "until 2026-01-01T00:00:00.000Z" in forced.body
    back = mode_alert({"mode": "auto", "country": "+91", "set_by": "cli:ann"}, 0, base=None)
    assert back.level == "success"
    assert back.key == forced.key == topic("mode.changed", data)
    failed = {"provider": "twilio_verify", "channel": "sms", "country": "+1", "code": "20003"}
    account = account_alert(failed, 0, base=None)
    assert "20003" in account.body
    assert account.key == topic("challenge.send_failed", failed)
    assert "sms-down.md" in account.body
    assert "email-down.md" in account_alert({**failed, "provider": "smtp"}, 0, base=None).body
    suspected = {
        "provider": "twilio_verify",
        "channel": "sms",
        "country": "+44",
        "block": "+447911",
        "numbers": 20,
    }
    fraud = fraud_alert(suspected, 0, base=None)
    assert fraud.key == topic("fraud.suspected", suspected) == "fraud/+44"
    assert "20 numbers that begin with +447911 got messages" in fraud.body
    guarded = {**failed, "country": "+44", "code": "60410"}
    assert fraud_alert(guarded, 0, base=None).key == topic("challenge.send_failed", guarded) == fraud.key
    assert (ROOT / fraud.body.rpartition("Runbook: ")[2]).is_file()
    assert "dr_1" in drill_alert({"id": "dr_1"}, 0, base=None).title
