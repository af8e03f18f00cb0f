"""Rehearsed outages go the real way, harm nobody, and leave health as it was."""

import json
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.drills import Drill, Tally, report
from tests.support.stack import ROOT, wait_until


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "2", "OTP_SEND_DEADLINE": "1"}


def a_drill(**fields) -> Drill:
    given = {"id": "dr_1", "kind": "outage", "reason": "x", "started_by": "me", "max_stuck": 5, "version": 1}
    return Drill(**{**given, "started_at": 0, "ends_at": 1000, **fields})


@given(st.floats(0.01, 1.0), st.text(min_size=1, max_size=30))
def test_a_user_is_in_it_throughout_or_not_at_all(share, user):
    drill = a_drill(share=share)
    assert len({drill.takes(user, "default", "+1", now) for now in (0, 10, 999)}) == 1
    assert not drill.takes(user, "default", "+1", 1000)


def test_a_share_is_about_that_share():
    drill = a_drill(share=0.2)
    taken = sum(drill.takes(f"user {number}", "default", "+1", 1) for number in range(5000))
    assert 800 < taken < 1200


def test_who_takes_part():
    assert a_drill(users=("a",)).takes("a", "default", "+1", 1)
    assert not a_drill(users=("a",)).takes("b", "default", "+1", 1)
    assert not a_drill(country="+91").takes("a", "default", "+1", 1)
    assert not a_drill(application="shop").takes("a", "default", "+1", 1)
    assert not a_drill(ended_at=1).takes("a", "default", "+1", 1)


EVENTS = ["created", "switched", "approved", "failed", "expired", "locked", "canceled"]


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 8))))
def test_a_challenge_counts_once(happened):
    tally, begun = Tally(), set()
    for at, (kind, number) in enumerate(happened):
        if kind == "created" and number in begun:
            continue
        begun |= {number} if kind == "created" else set()
        data = {"id": number, "user": str(number), "approved_by": "totp", "started_at": 0}
        tally.count(f"challenge.{kind}", at, data)
    found = report(tally)
    over = found.got_in + found.failed + found.expired + found.locked + found.canceled
    assert over + found.pending == found.challenges == len(begun)
    assert found.switched <= found.challenges
    assert len(tally.times) == found.got_in
    assert found.share is None or 0 <= found.share <= 1


def test_who_is_stuck():
    tally = Tally()
    for number, ended in enumerate(["approved", "failed", "expired", "locked", "canceled", None]):
        data = {"id": number, "user": "u", "approved_by": "totp", "started_at": 0}
        tally.count("challenge.created", 0, data)
        if ended:
            tally.count(f"challenge.{ended}", 1, data)
    assert tally.stuck(60_000) == 4
    assert tally.stuck(120_001) == 5  # who is still trying after two minutes


def test_a_user_is_named_once():
    tally = Tally()
    for number in range(3):
        tally.count("challenge.created", 0, {"id": number, "user": "same", "spared": True})
    assert (report(tally).nowhere_to_go, tally.without) == (1, ["same"])


@pytest.fixture(autouse=True)
def watched_over(api):
    wait_until(lambda: api("GET", "/v1/ops/health").json()["deciding"])


@pytest.fixture
def drill(api, stack):
    """Starts one; it is over when the test is."""
    begun = []

    def start(kind="outage", **fields):
        answer = api("POST", "/v1/ops/drills", {"kind": kind, "reason": "rehearsal", **fields})
        assert answer.status_code == 201, answer.text
        begun.append(answer.json()["id"])
        return answer.json()

    yield start
    for drill_id in begun:
        assert api("POST", f"/v1/ops/drills/{drill_id}/stop", {}).status_code == 200


def results(api, drill_id):
    return api("GET", f"/v1/ops/drills/{drill_id}").json()["report"]


def health(api):
    return {
        route["route"]: route["evidence"]["sends"] for route in api("GET", "/v1/ops/health").json()["routes"]
    }


def test_an_outage_rehearsed(drill, api, stack, sandbox, people):
    app_user, mail_user, phone_only = people(), people(), people()
    app, _ = api.enroll(app_user.id)
    begun = drill()
    assert begun["status"] == "running"
    before = health(api)
    challenge = api.start(app_user.id, phone=app_user.phone)
    assert challenge["channel"] == "totp"
    (switch,) = challenge["switches"]
    assert (switch["from"], switch["to"], switch["reason"]) == ("sms", "totp", "drill")
    assert challenge["notice"]["code"] == "sms_unavailable"
    assert api.verify(challenge["id"], app.now()).json()["valid"]
    mailed = api.start(mail_user.id, phone=mail_user.phone, email=mail_user.email)
    assert (mailed["channel"], mailed["switches"][0]["reason"]) == ("email", "drill")
    assert sandbox.count("send") == 0
    # Who has nothing else gets the real message, and is told of.
    spared = api.start(phone_only.id, phone=phone_only.phone)
    assert (spared["channel"], spared["switches"]) == ("sms", [])
    assert api.verify(spared["id"], sandbox.code(phone_only.phone)).json()["valid"]
    assert api.verify(mailed["id"], sandbox.code(mail_user.email, "email")).json()["valid"]
    found = wait_until(lambda: (r := results(api, begun["id"]))["got_in"] == 2 and r)
    assert found["challenges"] == found["switched"] == 2
    assert found["approved_by"] == {"totp": 1, "email": 1}
    assert found["share"] == 1.0
    assert found["nowhere_to_go"] == 1
    assert found["pending"] == 0
    assert 0 < found["median_time"] <= found["slow_time"] < 60_000
    # Health has seen the real message only, and no breaker moved.
    assert wait_until(
        lambda: health(api).get("twilio_verify/sms/+1", 0) > before.get("twilio_verify/sms/+1", 0)
    )
    states = {route["state"] for route in api("GET", "/v1/ops/health").json()["routes"]}
    assert states == {"closed"}
    stopped = api("POST", f"/v1/ops/drills/{begun['id']}/stop", {"reason": "seen enough"}).json()
    assert (stopped["status"], stopped["ended_by"]) == ("finished", "operator")
    assert api.start(app_user.id, phone=people().phone)["channel"] == "sms"


def test_named_users_take_part_all_of_them(drill, api, people):
    named = [people() for _ in range(5)]
    for person in named:
        api.enroll(person.id)
    assert drill(user_ids=[person.id for person in named], share=0.1)["share"] == 1
    for person in named:
        assert api.start(person.id, phone=person.phone)["switches"][0]["reason"] == "drill"


def test_who_chose_channels_is_not_without_another_way(drill, api, people):
    person = people()
    api.enroll(person.id)
    begun = drill()
    assert api.start(person.id, phone=person.phone, channels=["sms"])["channel"] == "sms"
    marker = people()
    api.start(marker.id, phone=marker.phone)
    wait_until(lambda: results(api, begun["id"])["nowhere_to_go"] == 1)  # that is the other one


def test_a_stale_end_does_not_end_the_next_one(stack, people, monkeypatch):
    from service.core import build_core
    from service.domain.audit import Who
    from service.domain.errors import NotFound
    from service.settings import Settings

    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    drills = build_core(Settings.load()).drills
    asked = {"share": 1.0, "user_ids": ["x"], "country": None, "application": None, "duration": 60, "spare": True,
             "max_stuck": 5, "reason": "x", "who": Who("me"), "default_application": "default"}  # fmt: skip
    first = drills.start("outage", **asked)
    drills.stop(first.id, Who("me"), None)
    second = drills.start("outage", **asked)
    drills._end(first, "safety", None)  # by somebody who looked before it was stopped
    assert drills.running().id == second.id
    assert drills.get(first.id)[0].ended_by == "operator"
    drills.stop(second.id, Who("me"), None)
    with pytest.raises(NotFound):
        drills.stop("dr_none", Who("me"), None)


def test_nobody_watches_nobody_rehearses(stack, api):
    stack.worker.kill()
    try:
        wait_until(lambda: not api("GET", "/v1/ops/health").json()["deciding"])
        answer = api("POST", "/v1/ops/drills", {"kind": "outage", "reason": "x"})
        assert (answer.status_code, "No worker decides" in answer.json()["detail"]) == (409, True)
    finally:
        stack.worker.start()
        wait_until(lambda: api("GET", "/v1/ops/health").json()["deciding"])


def test_who_had_nowhere_to_go_is_named(drill, api, people):
    known = people()
    api("PUT", f"/v1/users/{known.id}/contacts", {"phone": known.phone})
    begun = drill(user_ids=[known.id])
    assert begun["named_users"] == 1
    api.start(known.id)
    api.start(people().id, phone=people().phone)
    found = wait_until(lambda: api("GET", f"/v1/ops/drills/{begun['id']}").json()["users_without"])
    masked = f"{known.phone[:5]}***{known.phone[-4:]}"
    assert found == [{"application": "default", "user_id": known.id, "phone": masked}]
    assert results(api, begun["id"])["challenges"] == 0


def test_a_silent_outage_rehearsed(drill, api, sandbox, people):
    person = people()
    app, _ = api.enroll(person.id)
    begun = drill("silent")
    challenge = api.start(person.id, phone=person.phone)
    assert (challenge["channel"], challenge["switches"]) == ("sms", [])
    # The code that nobody got is accepted from nobody, and the provider is not asked for it.
    assert api.verify(challenge["id"], "123456").json()["valid"] is False
    moved = api("GET", f"/v1/challenges/{challenge['id']}?wait=15").json()
    while not moved["switches"]:
        moved = api("GET", f"/v1/challenges/{challenge['id']}?wait=15").json()
    assert (moved["channel"], moved["switches"][0]["reason"]) == ("totp", "drill")
    assert api.verify(challenge["id"], app.now()).json()["valid"]
    assert (sandbox.count("send"), sandbox.count("check")) == (0, 0)
    wait_until(lambda: results(api, begun["id"])["got_in"] == 1)


def test_a_brown_out_rehearsed(drill, api, sandbox, people):
    drill("brown-out")

    def one(_):
        person = people()
        began = time.monotonic()
        challenge = api.start(person.id, phone=person.phone, email=person.email)
        seconds = time.monotonic() - began
        if challenge["channel"] == "sms":  # else these sends would count as lost ones
            assert api.verify(challenge["id"], sandbox.code(person.phone)).json()["valid"]
        return challenge, seconds

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(one, range(32)))
    hung = [seconds for challenge, seconds in answers if challenge["channel"] == "email"]
    assert 4 <= len(hung) <= 28
    assert min(hung) >= 1.0  # they waited for the deadline, as they would
    assert sandbox.count("send") == 32 - len(hung)


def test_not_spared(drill, api, people):
    begun = drill(spare=False, max_stuck=1000)
    alone = people()
    challenge = api.start(alone.id, phone=alone.phone)
    assert challenge["status"] == "failed"
    assert challenge["channels"][0]["reason"] == "drill"
    assert wait_until(lambda: results(api, begun["id"])["failed"] == 1)


def test_the_safety_stop(drill, api, stack, people):
    begun = drill(spare=False, max_stuck=2)
    for _ in range(3):
        alone = people()
        assert api.start(alone.id, phone=alone.phone)["status"] == "failed"
    over = wait_until(
        lambda: (d := api("GET", f"/v1/ops/drills/{begun['id']}").json())["status"] == "finished" and d
    )
    assert over["ended_by"] == "safety"
    assert over["report"]["failed"] == 3
    (finished,) = [e for e in stack.events() if e["type"] == "drill.finished" and e["id"] == begun["id"]]
    assert finished["stopped_by"] == "safety"
    alone = people()
    assert api.start(alone.id, phone=alone.phone)["status"] == "pending"


def test_after_a_stop_the_running_challenges_send_again(drill, api, sandbox, people, stack):
    person = people()
    begun = drill("outage")
    challenge = api.start(person.id, phone=person.phone, email=person.email)
    assert (challenge["channel"], sandbox.count("send")) == ("email", 0)
    api("POST", f"/v1/ops/drills/{begun['id']}/stop", {})
    client, (key,) = stack.redis(), stack.redis().keys(f"otp:*:c:{challenge['id'][3:]}")
    client.set(key, json.dumps({**json.loads(client.get(key)), "ra": 0}), keepttl=True)  # half a minute later
    assert api("POST", f"/v1/challenges/{challenge['id']}/switch", {"channel": "sms"}).ok
    assert api.verify(challenge["id"], sandbox.code(person.phone)).json()["valid"]


def test_a_record_that_cannot_be_read_stops_no_login(api, stack, sandbox, person):
    client = stack.redis()
    client.hset("otp:{00}:drills", "running", b'{"id":"dr_x","kind":"of the future","version":1}')
    try:
        challenge = api.start(person.id, phone=person.phone)
        assert challenge["channel"] == "sms"
        assert api.verify(challenge["id"], sandbox.code(person.phone)).json()["valid"]
        wait_until(lambda: "drill_not_watched" in stack.worker.text())
    finally:
        client.hdel("otp:{00}:drills", "running")


def test_one_at_a_time(drill, api):
    drill()
    answer = api("POST", "/v1/ops/drills", {"kind": "outage", "reason": "another"})
    assert (answer.status_code, answer.json()["code"]) == (409, "drill_refused")


def test_of_many_at_once_one_runs(api, drill):
    with ThreadPoolExecutor(6) as pool:
        body = {"kind": "outage", "reason": "race"}
        answers = list(pool.map(lambda _: api("POST", "/v1/ops/drills", body), range(6)))
    (won,) = [answer.json()["id"] for answer in answers if answer.status_code == 201]
    api("POST", f"/v1/ops/drills/{won}/stop", {})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "flood"}, "kind"),
        ({"share": 0}, "share"),
        ({"share": 0.0001}, "share"),
        ({"share": 1.5}, "share"),
        ({"duration": 1}, "duration"),
        ({"duration": 100_000}, "duration"),
        ({"user_ids": []}, "user_ids"),
        ({"country": "91"}, "country"),
        ({"max_stuck": -1}, "max_stuck"),
        ({"reason": ""}, "reason"),
    ],
)
def test_bad_requests_start_nothing(api, body, field):
    before = len(api("GET", "/v1/ops/drills").json()["drills"])
    answer = api("POST", "/v1/ops/drills", {"kind": "outage", "reason": "x", **body})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert len(api("GET", "/v1/ops/drills").json()["drills"]) == before


def test_unknown(api, cli):
    assert api("GET", "/v1/ops/drills/dr_none").status_code == 404
    assert api("POST", "/v1/ops/drills/dr_none/stop", {}).status_code == 404
    cli("drill", "show", "dr_none", code=1)
    cli("drill", "stop", code=1)


def test_the_command(api, cli, people):
    person = people()
    api.enroll(person.id)
    begun = cli("drill", "outage", "--reason", "x", "--share", "50%", "--user", person.id, "--user", "other",
                "--detach", "--json")  # fmt: skip
    assert (begun["share"], begun["named_users"]) == (1, 2)
    assert begun["id"] in cli("drill")
    assert cli("status", "--json")["drill"]["id"] == begun["id"]
    assert f"{begun['id']} outage is rehearsed" in cli("status")
    assert cli("drill", "--json")[0]["id"] == begun["id"]
    cli("drill", "outage", "--reason", "x", code=1)
    assert cli("drill", "stop", "--reason", "enough", "--json")["ended_by"] == "operator"
    assert "operator" in cli("drill", "show", begun["id"])
    actions = [entry["action"] for entry in cli("audit", "list", "--json")]
    assert actions[:2] == ["drill.stop", "drill.start"]
    for bad in (
        ["--share", "0"],
        ["--share", "120%"],
        ["--for", "1s"],
        ["--country", "x"],
        ["--reason", " "],
    ):
        cli("drill", "outage", *(["--reason", "x"] if "--reason" not in bad else []), *bad, code=2)


def test_the_command_stays_until_the_end(cli, api):
    view = cli("drill", "silent", "--reason", "x", "--for", "10s", "--json")
    assert (view["status"], view["ended_by"]) == ("finished", "time")
    finished = wait_until(lambda: api("GET", f"/v1/ops/drills/{view['id']}").json()["ended_by"])
    assert finished == "time"


def test_interrupted_it_ends(stack, api):
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "drill", "outage", "--reason", "x", "--for", "10m"],
        env=stack.env, cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    running = wait_until(
        lambda: [d for d in api("GET", "/v1/ops/drills").json()["drills"] if d["status"] == "running"]
    )
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert "ended by operator" in output
    assert api("GET", f"/v1/ops/drills/{running[0]['id']}").json()["ended_by"] == "operator"


def test_a_real_outage_in_a_brown_out_is_seen(drill, api, sandbox, people):
    """It leaves a breaker open, of a country that no other test has."""
    begun = drill("brown_out", country="+39", max_stuck=1000)
    sandbox.fail("http_500", country="+39")
    for number in range(24):
        person = people()
        api.start(person.id, phone=f"+39312345{number:04d}", email=person.email)
    wait_until(lambda: api("GET", f"/v1/ops/drills/{begun['id']}").json()["ended_by"] == "outage")
    states = {route["route"]: route["state"] for route in api("GET", "/v1/ops/health").json()["routes"]}
    assert states["twilio_verify/sms/+39"] == "open"


def test_no_drill_in_an_outage(api, stack, sandbox, people, drill):
    """Last in this file: it leaves a breaker open."""
    begun = drill(user_ids=["nobody"], country="+1")
    sandbox.fail("http_500")
    for _ in range(6):
        person = people()
        api.start(person.id, phone=person.phone, email=person.email)
    wait_until(lambda: api("GET", f"/v1/ops/drills/{begun['id']}").json()["ended_by"] == "outage")
    answer = api("POST", "/v1/ops/drills", {"kind": "outage", "reason": "x"})
    assert (answer.status_code, answer.json()["code"]) == (409, "drill_refused")
    assert "twilio_verify/sms/+1" in answer.json()["detail"]
