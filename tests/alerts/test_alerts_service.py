"""By the worker process and the command line."""

import pytest

from tests.support.commands import otp_fallback
from tests.support.people import *  # noqa: F403 - fixtures are found by their names here
from tests.support.receiver import Answer, receiving
from tests.support.stack import wait_until

SECRET = "hunter2"


@pytest.fixture(scope="module")
def place():
    with receiving() as found:
        yield found


@pytest.fixture(scope="module")
def options(place):
    return {
        "worker_process": True,
        "OTP_DELIVERY_DEADLINE": "600",
        "OTP_ALERT_URLS": f"json://ann:{SECRET}@127.0.0.1:{place.port}/a json://127.0.0.1:1/?cto=1",
        "OTP_RUNBOOK_URL": "https://wiki.example/otp",
    }


def test_an_outage_alerts_though_everybody_got_in(stack, api, sandbox, people, place):
    sandbox.fail("http_500")
    for _ in range(6):
        other = people()
        assert api.start(other.id, phone=other.phone, email=other.email)["channel"] == "email"
    opened = wait_until(
        lambda: next((p.json for p in place.posts if "Incident opened" in p.json["title"]), None)
    )
    assert opened["type"] == "failure"
    assert "Runbook: https://wiki.example/otp/sms-down.md" in opened["message"]
    assert SECRET not in stack.worker.text()
    assert SECRET not in stack.everything_stored()


def test_mode(cli, place):
    cli("mode", "fallback", "--reason", "x", "--country", "+49", "--for", "1m")
    wait_until(lambda: any("Mode fallback for country +49" in p.json["title"] for p in place.posts))


def run(stack, *words, **env):
    return otp_fallback(stack.env | env, *words)


def test_trying_it_out(stack, place):
    done = run(stack, "alerts", "test", "--json")
    assert done.returncode == 1  # nobody listens at the second one
    assert '"target": 1, "service": "json", "failure": null' in done.stdout
    assert '"target": 2, "service": "json", "failure": "refused"' in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert any(p.json["title"] == "Test of otp-fallback's alerts" for p in place.posts)
    # It needs no Redis: whoever wires alerts up may not have one running.
    alone = run(
        stack,
        "alerts",
        "test",
        OTP_ALERT_URLS=f"json://127.0.0.1:{place.port}/",
        REDIS_URL="redis://127.0.0.1:1",
    )
    assert alone.returncode == 0, alone.stderr
    assert "sent" in alone.stdout
    place.answer = lambda _: Answer(403)
    assert run(stack, "alerts", "test", OTP_ALERT_URLS=f"json://127.0.0.1:{place.port}/").returncode == 1
    place.answer = lambda _: Answer()
    unset = run(stack, "alerts", "test", OTP_ALERT_URLS="")
    assert (unset.returncode, unset.stderr.count("\n")) == (2, 1)


def test_serve_refuses_what_is_not_understood(stack, tmp_path):
    for urls, said in ((f"slack://{SECRET}", "number 1 (slack://)"), (SECRET, "number 1")):
        done = run(stack, "serve", OTP_ALERT_URLS=urls, OTP_DATA_DIR=str(tmp_path / "data"), OTP_PORT="0")
        assert done.returncode != 0
        assert "OTP_ALERT_URLS: " in done.stderr
        assert said in done.stderr
        assert SECRET not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
