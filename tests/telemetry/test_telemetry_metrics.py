"""`/metrics`: as Prometheus wants it, telling of the workers, and of nobody in particular."""

import re
import subprocess
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.domain.channels import Channel
from tests.support.secrecy import busy
from tests.support.stack import wait_until
from tests.support.tools import independent

CHANNEL = "|".join(Channel)
WORD = r"[a-z_]{1,40}"
# Every label and what may stand there. A new label is declared here, so that somebody thinks of its values.
LABELS = {
    "status": rf"[1-5]\d\d|{WORD}",
    "channel": CHANNEL,
    "source": CHANNEL,
    "target": CHANNEL,
    "reason": WORD,
    "why": WORD,
    "provider": "twilio_verify|smtp",
    "country": r"\+\d{1,3}|-",
    "outcome": WORD,
    "failure_class": WORD,
    "code": rf"\d{{3}}|\d{{5}}|{WORD}|-",
    "route": r"twilio_verify/[a-z]+(/\+\d{1,3}(/\d{3}-\d{2,3})?)?|/[A-Za-z0-9_./<>:-]*|-",
    "state": WORD,
    "to": WORD,
    "kind": r"[a-z_.]+(/[a-z]+)?",
    "event": WORD,
    "method": "GET|HEAD|POST|PUT|DELETE|-",
    "step": "deadlines|health",
    "queue": "deadlines|vendor|notices",
    "le": r"[\d.]+|\+Inf",
}


def samples(text):
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def value(text, name, **labels):
    return next((s.value for s in samples(text) if (s.name, s.labels) == (name, labels)), None)


def test_prometheus_finds_nothing_to_complain_of(stack, scrape, person):
    promtool = independent("promtool")
    busy(stack, person)
    wait_until(lambda: value(scrape(), "otp_worker_last_step_timestamp_seconds", step="health"))
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=scrape(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_labels_are_of_small_fixed_sets(stack, scrape, people):
    for person in (people(), people()):
        busy(stack, person)
    for path in ("/v1/users/mallory@m.example/nothing", "/wp-login.php", "/v1/challenges/ch_x"):
        stack.api("GET", path)
    stack.api("BREW", "/v1/challenges")
    found = samples(scrape())
    assert len({sample.name for sample in found}) >= 20
    odd = {
        (sample.name, label, text)
        for sample in found
        for label, text in sample.labels.items()
        if not re.fullmatch(LABELS.get(label, "(?!)"), text)
    }
    assert odd == set()


def test_every_metric_says_what_it_is(scrape):
    families = list(text_string_to_metric_families(scrape()))
    assert all(family.name.startswith("otp_") for family in families)
    assert all(family.documentation.endswith(".") for family in families)


def test_starts_are_timed(stack, scrape, person):
    before = value(scrape(), "otp_start_seconds_count") or 0
    stack.sandbox.fail("slow", delay=0.6, operation="send")
    stack.api.start(person.id, phone=person.phone)
    stack.api.start(person.id, email=person.email, channels=["email"])
    text = scrape()
    assert value(text, "otp_start_seconds_count") == before + 2
    slow, all_ = (value(text, "otp_start_seconds_bucket", le=le) for le in ("0.5", "+Inf"))
    assert slow < all_


@pytest.fixture
def no_worker(stack):
    stack.worker.kill()
    yield
    if stack.worker.popen.poll() is not None:
        stack.worker.start()


def test_a_worker_that_is_gone_can_be_seen(stack, scrape, no_worker):
    def step(kind):
        return value(scrape(), "otp_worker_last_step_timestamp_seconds", step=kind)

    last = {kind: step(kind) for kind in ("deadlines", "health")}
    assert all(0 < time.time() - at < 600 for at in last.values())
    stack.worker.start()
    wait_until(lambda: all(step(kind) > last[kind] for kind in last))


def test_what_waits_for_a_worker_is_measured_by_the_next_one(stack, scrape, person, no_worker):
    started = stack.api.start(person.id, phone=person.phone)
    client = stack.redis()
    due = f"otp:{{{started['id'][3:5]}}}:due"
    wait_until(lambda: client.zcount(due, "-inf", int(time.time() * 1000)) == 1)
    late = int(time.time() * 1000) - 90_000
    # As if it had waited for long, and for a time that no worker will come to.
    client.zadd("otp:{health}:notices", {b"unreadable": late})
    client.set("otp:{health}:leader", "another", px=20_000)
    stack.worker.start()
    wait_until(lambda: (value(scrape(), "otp_outbox_lag_seconds") or 0) > 1)
    wait_until(lambda: value(scrape(), "otp_queue_overdue_seconds", queue="deadlines") == 0)  # taken
    client.zrem("otp:{health}:notices", b"unreadable")
    client.delete("otp:{health}:leader")
    wait_until(lambda: value(scrape(), "otp_outbox_lag_seconds") == 0)


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", "/v1/challenges/nobodys", "/v1/challenges/<id>", 404),
        ("HEAD", "/healthz", "/healthz", 200),
        ("POST", "/v1/challenges", "/v1/challenges", 400),
        ("GET", "/nothing", "-", 404),
    ],
)
def test_answers_are_counted_by_their_route(stack, api, scrape, method, path, route, status):
    told = {"method": method if route != "-" else "-", "route": route, "status": str(status)}

    def counted():
        families = {family.name: family for family in text_string_to_metric_families(scrape())}
        samples = families["otp_http_requests"].samples
        return sum(sample.value for sample in samples if sample.labels == told)

    before = counted()
    headers = {"Content-Type": "application/json"}
    answer = api.session.request(method, stack.url + path, data=b"{" * (method == "POST"), headers=headers)
    assert answer.status_code == status
    assert counted() == before + 1
