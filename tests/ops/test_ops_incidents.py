"""Outages are recorded by themselves, and told about by operators."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.health.provider import provider_state
from service.domain.incidents import TIMELINE_LENGTH, Incident
from tests.support.stack import wait_until

ROUTES = ["twilio_verify/sms/+1", "twilio_verify/sms/+91", "twilio_verify/voice/+1"]


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "600", "OTP_CHANGE_NOTICES": "false"}


def begun() -> Incident:
    return Incident.begun("inc_1", "twilio_verify", ROUTES[0], "consecutive_faults", 1000)


@given(st.lists(st.tuples(st.sampled_from(ROUTES), st.sampled_from(["open", "half_open", "closed"]))))
def test_it_is_over_with_the_last_route_and_not_before(changes):
    incident, states = begun(), {ROUTES[0]: "open"}
    for at, (route, to) in enumerate(changes, 1001):
        if incident.resolved_at or (route not in states and to != "open"):
            continue
        incident = incident.route_changed(route, to, "x", at)
        states[route] = to
        troubled = {name: state for name, state in states.items() if state != "closed"}
        assert incident.troubled == troubled
        assert bool(incident.resolved_at) is not bool(troubled)
        assert (incident.status == "resolved") is not bool(troubled)
        assert (incident.status == "monitoring") is (bool(troubled) and "open" not in troubled.values())
        assert set(incident.affected) == set(states)
    assert incident.version == 1 + len([e for e in incident.timeline if e.kind == "route"])


def test_a_long_story_keeps_its_beginning():
    incident = begun()
    for at in range(2000):
        incident = incident.route_changed(ROUTES[1], "open", "x", 2000 + at)
    assert len(incident.timeline) == TIMELINE_LENGTH
    assert incident.timeline[0].kind == "opened"
    assert incident.timeline[-1].at == 3999


def test_it_only_worsens():
    incident = begun().worsened(1001)
    assert incident.impact == "major"
    assert incident.worsened(1002) is incident


@pytest.mark.parametrize(
    ("routes", "state"),
    [
        ([], "closed"),
        ([("closed", 5)], "closed"),
        ([("open", 0)], "open"),
        ([("open", 0), ("closed", 0)], "open"),
        ([("open", 3), ("closed", 1)], "degraded"),
        ([("half_open", 0), ("closed", 4)], "degraded"),
    ],
)
def test_a_provider_is_its_routes_with_traffic(routes, state):
    assert provider_state(routes) == state


def incidents(api, only_open=False):
    return api("GET", f"/v1/ops/incidents{'?open=true' if only_open else ''}").json()["incidents"]


def health(api):
    return api("GET", "/v1/ops/health").json()["routes"]


@pytest.fixture
def outage(stack, api, sandbox, people):
    """Twilio dies; the incident that comes of it."""

    def begin():
        sandbox.fail("http_500")
        for _ in range(6):
            other = people()
            api.start(other.id, phone=other.phone, email=other.email)
        return wait_until(lambda: incidents(api, only_open=True))[0]

    yield begin
    sandbox.heal()
    # The breaker's own time is too long for a test: the next test begins without an incident.
    stack.worker.kill()
    client = stack.redis()
    client.delete(
        "otp:{health}:states", "otp:{health}:knowledge", "otp:{health}:leader", "otp:{00}:incidents"
    )
    for number in range(64):
        client.delete(f"otp:{{{number:02x}}}:outbox")
    stack.worker.start()


def test_a_breaker_opens_an_incident_and_closes_it(outage, stack, api, sandbox, people, cli):
    incident = outage()
    assert incident["provider"] == "twilio_verify"
    assert incident["impact"] == "major"
    assert incident["troubled"] == [{"route": "twilio_verify/sms/+1", "state": "open"}]
    assert incident["timeline"][0]["kind"] == "opened"
    assert incident["timeline"][0]["reason"] == "consecutive_faults"
    assert stack.events()[-1]["type"] in ("incident.opened", "provider.circuit_open")
    assert cli("incidents", "--open", "--json")[0]["id"] == incident["id"]
    assert incident["id"] in cli("incidents")
    sandbox.heal()

    # Probes, one at a time, bring it back; users get in meanwhile by e-mail.
    def back():
        other = people()
        challenge = api.start(other.id, phone=other.phone, email=other.email)
        answered = api.get(challenge["id"])
        if any(entry["channel"] == "sms" and entry["state"] == "sent" for entry in answered["channels"]):
            api.verify(challenge["id"], sandbox.code(other.phone))
        return not incidents(api, only_open=True)

    wait_until(back, 90)
    (over,) = incidents(api)
    assert over["status"] == "resolved"
    assert over["resolved_at"] > over["opened_at"]
    assert over["troubled"] == []
    states = [(entry["kind"], entry["to"]) for entry in over["timeline"]]
    assert states[0] == ("opened", "open")
    assert ("route", "half_open") in states
    assert states[-2:] == [("route", "closed"), ("resolved", None)]
    types = [event["type"] for event in stack.events() if event["type"].startswith("incident.")]
    assert types[0] == "incident.opened"
    assert types[-1] == "incident.resolved"


def test_one_country_is_a_minor_one_and_goes_on_as_well(outage, api, sandbox, people, cli):
    other = people()
    healthy = f"+44770090{int(other.phone[-4:]):04d}"
    challenge = api.start(other.id, phone=healthy)
    assert api.verify(challenge["id"], sandbox.code(healthy)).json()["valid"]
    wait_until(lambda: "twilio_verify/sms/+44" in {r["route"] for r in health(api)})
    incident = outage()
    assert incident["impact"] == "minor"
    told = cli("incidents", "update", incident["id"], "Only there.", "--status", "identified", "--json")
    assert told["status"] == "identified"


def test_a_worker_that_dies_makes_no_second_one(outage, stack, api):
    incident = outage()
    client = stack.redis()
    stack.worker.kill()
    # As if it had died after noting the incident and before saving how far it had read.
    client.delete("otp:{health}:knowledge", "otp:{health}:leader")
    stack.worker.start()
    wait_until(lambda: client.exists("otp:{health}:knowledge"))
    (same,) = incidents(api)
    assert same["id"] == incident["id"]
    assert [e for e in same["timeline"] if e["kind"] == "opened"] == [incident["timeline"][0]]


def test_operators_say_what_they_know(outage, api, cli):
    incident = outage()
    path = f"/v1/ops/incidents/{incident['id']}"
    said = api("POST", f"{path}/updates", {"text": "Twilio confirms it.", "status": "identified"})
    assert said.status_code == 201
    assert said.json()["status"] == "identified"
    told = cli("incidents", "update", incident["id"], "Use your app.", "--public", "--json")
    assert told["timeline"][-1]["public"] is True
    assert told["timeline"][-1]["by"].startswith("cli:")
    assert "Use your app." in cli("incidents", "show", incident["id"])
    newest = cli("audit", "list", "--limit", 2, "--json")
    assert {entry["action"] for entry in newest} == {"incident.update"}
    assert cli("audit", "verify", "--json")["valid"]
    assert api("GET", path).json() == cli("incidents", "show", incident["id"], "--json")


def test_resolved_by_hand(outage, api, cli):
    incident = outage()
    cli("incidents", "update", incident["id"], "Traffic is elsewhere.", "--status", "resolved")
    (over,) = incidents(api)
    assert over["resolved_at"] is not None
    assert incidents(api, only_open=True) == []
    # Words may follow, but it does not come to life again by them.
    cli("incidents", "update", incident["id"], "Twilio's report is out.")
    answer = api(
        "POST", f"/v1/ops/incidents/{incident['id']}/updates", {"text": "x", "status": "investigating"}
    )
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "status")
    cli("incidents", "update", incident["id"], "x", "--status", "identified", code=1)
    assert incidents(api)[0]["status"] == "resolved"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("inc_none/updates", {"text": "x"}, 404),
        ("inc_none/updates", {"text": ""}, 422),
        ("inc_none/updates", {"text": "x", "status": "over"}, 422),
        ("inc_none/updates", {"text": "x" * 501}, 422),
    ],
)
def test_bad_updates(api, path, body, status):
    assert api("POST", f"/v1/ops/incidents/{path}", body).status_code == status


def test_bad_questions(api, cli):
    assert api("GET", "/v1/ops/incidents/inc_none").status_code == 404
    assert api("GET", "/v1/ops/incidents?open=perhaps").status_code == 422
    assert api("GET", "/v1/ops/incidents?limit=0").status_code == 422
    cli("incidents", "show", "inc_none", code=1)
    cli("incidents", "update", "inc_none", "x", code=1)
    cli("incidents", "update", "inc_none", "x", "--status", "over", code=2)
