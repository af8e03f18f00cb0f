"""The same by Twilio's Node SDK, and the words on how to come over, tried as they stand in each text."""

import json
import os
import re
import subprocess
import time

import pyotp
import pytest

from tests.support.stack import ACCOUNT, API_KEY, ROOT, SERVICE
from tests.support.tools import npm_packages

NODE = ROOT / "tests" / "twilio" / "node"
TEXTS = {
    "README": (ROOT / "README.md").read_text("utf-8").partition("### Coming from Twilio Verify")[2],
    "guide": (ROOT / "service" / "web" / "docs" / "content" / "twilio.md").read_text("utf-8"),
}


@pytest.fixture(scope="module")
def modules():
    return npm_packages(NODE)


@pytest.fixture(scope="module")
def env(stack, modules):
    return {
        "PATH": os.environ["PATH"],
        "NODE_PATH": str(modules),
        "OTP_URL": stack.url,
        "OTP_API_KEY": API_KEY,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_VERIFY_SERVICE_SID": SERVICE,
    }


@pytest.fixture(scope="module")
def application(env):
    """An application in Node."""
    pipe = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(["node", str(NODE / "login.js")], env=env, **pipe) as process:

        def call(*words):
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield call
        process.stdin.close()
        process.wait(10)


def test_a_login(application, api, stack):
    to = "+14155551001"
    sent = application("send", {"to": to, "channel": "sms"})["done"]
    assert (sent["status"], sent["channel"], sent["to"]) == ("pending", "sms", to)
    assert len(application("send", {"to": to, "channel": "sms"})["done"]["sendCodeAttempts"]) == 2
    assert application("fetch", to)["done"]["sid"] == sent["sid"]
    assert application("check", {"to": to, "code": "000000"})["done"]["status"] == "pending"
    right = application("check", {"verificationSid": sent["sid"], "code": stack.sandbox.code(to)})["done"]
    assert (right["status"], right["valid"]) == ("approved", True)
    assert application("check", {"to": to, "code": "000000"})["failed"]["code"] == 20404
    assert application("send", {"to": "nobody", "channel": "sms"})["failed"]["code"] == 60200
    other = application("send", {"to": to, "channel": "sms"})["done"]
    assert application("end", other["sid"], "canceled")["done"]["status"] == "canceled"


def test_an_outage(application, api, stack):
    to = "+14155551002"
    app, codes = api.enroll("node-user")
    api("PUT", "/v1/users/node-user/contacts", {"phone": to})
    stack.sandbox.fail("http_503", operation="all")
    for code in (app.now(), codes[0]):
        assert application("send", {"to": to, "channel": "sms"})["done"]["channel"] == "totp"
        assert application("check", {"to": to, "code": code})["done"]["status"] == "approved"
    unknown = application("send", {"to": "+14155551003", "channel": "sms"})["failed"]
    assert (unknown["status"], unknown["code"]) == (503, 20503)


def test_an_app_as_a_factor(application, api):
    new = application("newFactor", "node-ann", {"friendlyName": "x", "factorType": "totp"})["done"]
    app = pyotp.parse_uri(new["binding"]["uri"])
    told = application("verifyFactor", "node-ann", new["sid"], app.at(time.time() - 30))["done"]
    assert told["status"] == "verified"
    assert [f["sid"] for f in application("factors", "node-ann")["done"]] == [new["sid"]]
    asked = application("challenge", "node-ann", {"factorSid": new["sid"], "authPayload": app.now()})["done"]
    assert asked["status"] == "approved"


def snippet(text, language):
    return re.search(rf"```{language}\n(.*?)```", TEXTS[text], re.DOTALL)[1]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_said_of_python(stack, api, monkeypatch, text):
    for name, value in (("OTP_URL", stack.url), ("OTP_API_KEY", API_KEY), ("TWILIO_ACCOUNT_SID", ACCOUNT)):
        monkeypatch.setenv(name, value)
    scope = {}
    exec(snippet(text, "python"), scope)
    sent = scope["client"].verify.v2.services(SERVICE).verifications.create(to="+14155551004", channel="sms")
    assert sent.status == "pending"


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_said_of_node(api, env, text):
    program = snippet(text, "js") + (
        "client.verify.v2.services(process.env.TWILIO_VERIFY_SERVICE_SID)"
        ".verifications.create({to: '+14155551005', channel: 'sms'}).then((sent) => console.log(sent.status))"
    )
    done = subprocess.run(["node", "-e", program], env=env, check=True, capture_output=True, timeout=30)
    assert done.stdout == b"pending\n"
