"""One screen for operators, and help for a user who lost the phone."""

import re
import sys

import pexpect
import pytest

from tests.support.stack import ROOT, wait_until


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "600"}


def test_status_on_one_screen(stack, api, sandbox, people, cli):
    wait_until(lambda: cli("status", "--json")["deciding"])
    calm = cli("status")
    assert "Mode for everybody: auto" in calm
    assert "No open incident." in calm
    assert "If SMS died now: " in calm
    assert "\x1b[" not in calm
    sandbox.fail("http_500")
    for _ in range(6):
        other = people()
        api.start(other.id, phone=other.phone, email=other.email)
    down = wait_until(lambda: (found := cli("status", "--json"))["incidents"] and found)
    assert down["incidents"][0]["impact"] == "major"
    assert [r["state"] for r in down["routes"] if r["route"] == "twilio_verify/sms/+1"] == ["open"]
    cli("mode", "fallback", "--reason", "Twilio incident", "--country", "+91")
    text = cli("status")
    assert re.search(r"twilio_verify/sms/\+1 +open", text)
    assert "1 settings in force" in text
    api.enroll("ready-1")
    assert cli("status", "--json")["readiness"]["by_factor"]["totp"] == 1


def test_watching(stack):
    child = pexpect.spawn(
        sys.executable,
        ["-m", "service.cli", "status", "--watch"],
        env={**stack.env, "TERM": "xterm", "COLUMNS": "120"},
        cwd=ROOT,
        encoding="utf-8",
        timeout=30,
    )
    for _ in range(2):
        child.expect("If SMS died now")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "Traceback" not in child.before


def test_a_user_who_lost_the_phone(stack, api, sandbox, person, cli):
    api("PUT", f"/v1/users/{person.id}/contacts", {"phone": person.phone, "email": person.email})
    app, codes = api.enroll(person.id)
    shown = cli("users", "show", person.id, "--json")
    assert shown.pop("failures") == {"number": 0, "held_until": None, "locked": False}
    assert shown == api("GET", f"/v1/users/{person.id}/factors").json()
    text = cli("users", "show", person.id)
    assert "backup codes left: 10" in text
    assert person.phone not in text
    assert cli("users", "reset", person.id, "--reason", "lost phone, passport seen", "--json") == {
        "removed": {"apps": 1, "backup_codes": 10}
    }
    challenge = api.start(person.id, channels=["email", "totp", "backup_code"])
    assert challenge["accepts"] == ["email"]
    assert not api.verify(challenge["id"], codes[0]).json()["valid"]
    assert not api.verify(challenge["id"], app.now()).json()["valid"]
    (entry,) = cli("audit", "list", "--limit", 1, "--json")
    assert (entry["action"], entry["reason"]) == ("user.reset", "lost phone, passport seen")
    assert person.id not in str(entry)
    wait_until(
        lambda: any(
            "Your ways to sign in were removed" in m["subject"]
            for m in sandbox.messages(to=person.email, channel="email")
        )
    )
    cli("users", "reset", person.id, "--reason", "again", code=1)


def test_wrong_usage(cli):
    cli("users", "show", "nobody-knows", code=1)
    cli("users", "show", "a\x07", code=2)
    cli("users", "reset", "x", code=2)
    cli("users", "reset", "x", "--reason", " ", code=2)
