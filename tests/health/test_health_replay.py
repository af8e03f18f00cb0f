"""`otp-fallback replay`: the live decision on a trace."""

import json
import os
import random

import pytest

from service.flows.replay import TraceFault, replay
from tests.support.commands import otp_fallback

ROUTE = "twilio_verify/sms/+91"


def line(t, event, id_=None, route=ROUTE):
    return json.dumps({"t": t, "route": route, "event": event, **({"id": id_} if id_ else {})}).encode()


def trace(loss_at, seconds=1200, delivered=0.0, seed=1):
    random_, lines = random.Random(seed), []
    t, n = 0.0, 0
    while t < seconds:
        t += random_.expovariate(1.0)
        n += 1
        lines.append((t, "send", str(n)))
        if random_.random() < 0.75 * (delivered if t >= loss_at else 1.0):
            lines.append((t + random_.lognormvariate(2.5, 0.6), "approved", str(n)))
    return [line(*parts) for parts in sorted(lines)]


def test_faults():
    found = list(replay([line(t, "fault") for t in range(6)]))
    assert [(t.t, t.source, t.to, t.reason) for t in found] == [(4, "closed", "open", "consecutive_faults")]


def test_silent_loss():
    found = list(replay(trace(600)))
    assert found[0].to == "open"
    assert found[0].reason == "not_arriving"
    assert 600 < found[0].t < 690
    assert all(t.to != "closed" for t in found)
    assert list(replay(trace(10_000))) == []


def test_not_received_and_undelivered_are_failures():
    for event in ("not_received", "undelivered"):
        lines = [p for n in range(60) for p in (line(n, "send", str(n)), line(n + 0.5, event, str(n)))]
        assert [t.to for t in replay(lines)][:1] == ["open"], event
    quiet = [p for n in range(60) for p in (line(n, "send", str(n)), line(n + 0.5, "delivered", str(n)))]
    assert list(replay(quiet[:20])) == []


def test_what_an_open_route_would_not_have_sent_does_not_count():
    lines = [line(t, "fault") for t in range(5)] + [line(5 + t / 10, "fault") for t in range(80)]
    assert len(list(replay(lines))) == 1  # nothing in the 15 s after
    later = [*lines, line(20, "send", "p1"), line(21, "fault", "p2")]
    assert [(t.to, t.reason) for t in replay(later)][1:] == [
        ("half_open", "wait_over"),
        ("open", "probe_failed"),
    ]


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"[]",
        b'{"t": "now", "route": "r", "event": "send"}',
        b'{"t": 1, "route": "r", "event": "sent"}',
        b'{"t": 1, "route": "", "event": "send"}',
        b'{"t": 1, "event": "send"}',
        b'{"t": 1, "route": "r", "event": "send", "x": 1}',
        b'{"t": 1, "route": "r", "event": "approved"}',
        b'{"t": 0.5, "route": "r", "event": "send"}',
        b'{"t": 1e999, "route": "r", "event": "send"}',
        b"\xff\xfe",
    ],
)
def test_a_bad_line_is_refused_with_its_number(bad):
    with pytest.raises(TraceFault, match=r"^line 3: "):
        list(replay([line(1, "send", "a"), b"", bad]))


def cli(*words):
    return otp_fallback(os.environ, "replay", *words)


def test_the_command(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b"\n".join(trace(600)))
    done = cli(str(path), "--json")
    assert done.returncode == 0, done.stderr
    told = [json.loads(text) for text in done.stdout.splitlines()]
    assert told[0].keys() == {"t", "route", "from", "to", "reason"}
    assert (told[0]["route"], told[0]["from"], told[0]["to"]) == (ROUTE, "closed", "open")
    assert done.stderr == ""  # no progress bar off a terminal
    words = cli(str(path))
    assert ROUTE in words.stdout
    path.write_bytes(path.read_bytes() + b"\nnonsense\n")
    refused = cli(str(path), "--json")
    assert refused.returncode == 2
    assert f"line {len(trace(600)) + 1}" in refused.stderr
    assert cli(str(tmp_path / "nothing")).returncode == 2
