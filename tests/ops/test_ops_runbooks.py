"""The runbooks, rehearsed: every command of each runs in the state that it is for, and helps."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import otp_fallback
from tests.support.stack import ROOT, wait_until

FOLDER = ROOT / "deploy" / "runbooks"


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "600", "OTP_CHANGE_NOTICES": "false"}


@pytest.fixture
def follow(stack):
    """Runs the blocks of a runbook, those that stand under a heading, or all; what they said."""

    def run(name, heading=None, **given):
        text = (FOLDER / name).read_text("utf-8")
        if heading is not None:
            (text,) = re.findall(rf"^## {re.escape(heading)}.*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        assert blocks, f"{name} has no commands"
        commands = Path(sys.executable).parent
        env = {
            **stack.env,
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "OTP_PUBLIC_URL": stack.url,
            **given,
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
            env=env, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def begin_incident(api, sandbox, people, number):
    sandbox.fail("http_500")
    for index in range(6):
        person = people()
        api.start(person.id, phone=number(index), email=person.email)
    return wait_until(lambda: api("GET", "/v1/ops/incidents?open=true").json()["incidents"])[0]["id"]


def test_it_is_linked_from_where_it_is_needed():
    listed = (FOLDER / "README.md").read_text("utf-8")
    for path in FOLDER.glob("*.md"):
        assert path.name == "README.md" or f"({path.name})" in listed
        for target in re.findall(r"\]\(([\w./-]+)\)", path.read_text("utf-8")):
            assert (FOLDER / target).exists(), f"{path.name} leads to {target}"


def test_the_quarterly_drill(follow, api):
    wait_until(lambda: api("GET", "/v1/ops/health").json()["deciding"])
    assert "outage" in follow("README.md")


def test_keys_leaked(follow, api, stack, people):
    made = json.loads(
        otp_fallback(stack.env, "keys", "create", "--name", "old", "--scope", "ops", "--json", check=True).stdout
    )  # fmt: skip
    person = people()
    api.enroll(person.id)
    said = follow("keys-leaked.md", KEY=made["id"], SOMEBODY=person.id)
    assert "key.revoke" in said
    assert "signs proofs; those of every other key are refused" in said
    assert "Removed 1 apps and 10 backup codes." in said
    keys = otp_fallback(stack.env, "keys", "list", check=True).stdout
    assert made["id"] not in keys
    assert "login flow, new" in keys


def test_email_down(follow, sandbox, api, person):
    sandbox.fail("mail_550", operation="mail")
    assert api.start(person.id, email=person.email)["status"] == "failed"
    assert "readiness" in follow("email-down.md")


def test_worker_down(follow, stack, api):
    stack.worker.kill()
    wait_until(lambda: not api("GET", "/v1/ops/health").json()["deciding"], 30)
    try:
        assert "worker" in follow("worker-down.md", "1. Look")
        assert "Mode fallback for everybody" in follow("worker-down.md", "2. Until it is back")
    finally:
        stack.worker.start()
    wait_until(lambda: api("GET", "/v1/ops/health").json()["deciding"])
    assert "Mode for everybody: auto" in follow("worker-down.md", "3. Afterwards")


def test_redis_down(follow, stack, api):
    stack.valkey.kill()
    try:
        assert "store_unavailable" in follow("redis-down.md", "1. Look")
    finally:
        stack.start_valkey()
    wait_until(lambda: api("GET", "/readyz").ok)
    assert "Mode for everybody" in follow("redis-down.md", "3. Afterwards")


def test_country_down(follow, api, sandbox, people):
    for index in range(3):
        healthy = api.start(people().id, phone=f"+1415666{index:04d}")
        api.verify(healthy["id"], sandbox.code(f"+1415666{index:04d}"))
    wait_until(lambda: len(api("GET", "/v1/ops/health").json()["routes"]) >= 2)
    incident = begin_incident(api, sandbox, people, lambda index: f"+9198765{index:05d}")
    assert api("GET", f"/v1/ops/incidents/{incident}").json()["impact"] == "minor"
    said = follow("country-down.md", INCIDENT=incident)
    assert "country +91" in said
    assert "Text messages to India are delayed." in said


def test_sms_down(follow, api, sandbox, people):
    """After those with traffic elsewhere: every route is open by now."""
    incident = begin_incident(api, sandbox, people, lambda index: f"+1415777{index:04d}")
    wait_until(lambda: api("GET", f"/v1/ops/incidents/{incident}").json()["impact"] == "major")
    said = follow("sms-down.md", INCIDENT=incident)
    assert "Mode fallback for everybody" in said
    assert api("GET", "/v1/ops/mode").json()["mode"] == "auto"
    public = api("GET", "/api/v2/summary.json").json()
    assert any(
        "Text messages are delayed at our provider." in u["body"]
        for i in public["incidents"]
        for u in i["incident_updates"]
    )


def test_toll_fraud(follow, api, stack, people):
    block = "+44791155"
    for index in range(20):
        api.start(people().id, phone=f"{block}{index:04d}")
    (sends,) = [k for k in stack.redis().scan_iter("otp:*:bs:*") if stack.redis().zcard(k) == 20]
    for number, at in stack.redis().zrange(sends, 0, -1, withscores=True):  # time enough to answer has passed
        stack.redis().zadd(sends, {number: at - 91_000})
    person = people()
    switched = api.start(person.id, phone=f"{block}9999", email=person.email)
    assert switched["channels"][0]["reason"] == "fraud_suspected"
    wait_until(lambda: api("GET", "/v1/ops/fraud").json()["suspects"])
    said = follow("toll-fraud.md", BLOCK=block)
    assert f"Messages are sent to {block}… again." in said
    assert said.rstrip().endswith("No toll fraud is suspected.")
    assert api.start(people().id, phone=f"{block}9998")["channel"] == "sms"
