"""The last line of defence: what a line of the log can't tell, however it is asked to."""

import io
import json
import logging
import subprocess
import sys
import threading

import pytest
import structlog

from service.telemetry import logs
from tests.support.stack import ROOT

USER = "3f" + "A" * 22


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def written():
    """Sets logging up for a test; what was written."""
    root = logging.getLogger()
    handlers = list(root.handlers)

    def configure(stream=None, **options):
        stream = stream or io.StringIO()
        logs.configure(stream, **options)
        return stream

    yield configure
    structlog.reset_defaults()
    logs._request_id.set(None)
    root.handlers = handlers


def fails():
    raise ValueError("alice@example.com")


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_keys_that_nobody_thought_of_are_left_out(written):
    stream = written()
    logs.get("test").warning("said", phone="+14155550123", code="20500", user=USER, channel="sms")
    (line,) = lines(stream)
    assert line["phone"] == "(left out)"
    assert (line["code"], line["user"], line["channel"], line["part"]) == ("20500", USER, "sms", "test")


@pytest.mark.parametrize("user", ["alice@example.com", "+14155550123", "alice", USER + "x"])
def test_a_user_is_told_by_keyed_hash_or_not_at_all(written, user):
    stream = written()
    logs.get("test").warning("said", user=user, challenge=user)
    assert {lines(stream)[0][key] for key in ("user", "challenge")} == {"(left out)"}


def test_an_error_is_told_without_its_text(written):
    stream = written()
    try:
        fails()
    except ValueError as error:
        logs.get("test").error("failed", exc_info=error)
    (line,) = lines(stream)
    assert line["error"] == "ValueError"
    assert line["trace"][-1].endswith(" fails")
    assert "alice" not in stream.getvalue()


def test_what_libraries_say_is_told_without_what_they_quote(written):
    stream = written()
    other = logging.getLogger("some.library")
    other.warning("can't reach %s", "alice@example.com")
    other.error("can't reach alice@example.com")
    other.info("hello alice@example.com")
    try:
        fails()
    except ValueError:
        other.exception("failed for %s", "alice@example.com")
    told = lines(stream)
    assert [line["said"] for line in told] == ["can't reach %s", None, "failed for %s"]
    assert {(line["event"], line["logger"]) for line in told} == {("library", "some.library")}
    assert told[0]["at"].startswith("test_telemetry_logs.py:")
    assert told[2]["error"] == "ValueError"
    assert "alice" not in stream.getvalue()


def test_people_get_colours_and_production_gets_json(written):
    stream = written(Terminal())
    logs.get("test").warning("said")
    assert "\x1b[" in stream.getvalue()
    stream = written(Terminal(), production=True)
    logs.get("test").warning("said")
    assert lines(stream)[0]["event"] == "said"


def test_requests_do_not_mix(written):
    stream = written()
    logs.begin_request("first")
    logs.get("test").warning("one")
    other = threading.Thread(target=lambda: logs.get("test").warning("elsewhere"))
    other.start()
    other.join()
    logs.begin_request("second")
    logs.get("test").warning("two")
    assert [line.get("request_id") for line in lines(stream)] == ["first", None, "second"]


@pytest.mark.parametrize(
    ("how", "event"),
    [
        ("raise ValueError(secret)", "crashed"),
        ("t = threading.Thread(target=fails); t.start(); t.join()", "thread_crashed"),
        ("gevent.spawn(fails).join()", "greenlet_crashed"),
    ],
)
def test_what_nobody_catches_is_told_without_its_text(how, event):
    code = f"""
import threading, gevent
from service.telemetry import logs
logs.configure()
logs.guard_crashes()
secret = "-".join(["hunter", "2"])
def fails():
    raise ValueError(secret)
{how}
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    (line,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["event"], line["error"]) == (event, "ValueError")
    assert "hunter-2" not in done.stderr
