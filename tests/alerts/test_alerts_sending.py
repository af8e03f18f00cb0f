"""Alerts as they arrive: one story an incident, through a queue that outlives who does not listen."""

import json
import logging

import pytest
from apprise import Apprise

from service.domain.alerts import Alert
from service.domain.audit import Who
from service.domain.mode import Mode, Scope
from service.providers.alerts import parse_targets, require_understood
from service.store.health import OutboxEvent
from service.telemetry import metrics
from tests.alerts.conftest import OTHER, ROUTE
from tests.support.receiver import Answer


def test_an_incident_is_told_from_its_beginning_to_its_end(worker, receiver, alerts, clock):
    worker.circuit("open")
    assert alerts() == ["Incident opened"]
    (opened,) = receiver.posts
    incident = worker.services.incidents.all()[0]
    assert incident.id in opened.json["title"]
    assert opened.json["type"] == "warning"
    assert f"Routes: {ROUTE} (open)." in opened.json["message"]
    assert "deploy/runbooks/country-down.md" in opened.json["message"]
    clock.pass_(20)
    worker.circuit("half_open")
    assert len(receiver.posts) == 1  # nobody wants to know each step
    worker.circuit("open", OTHER)  # now it is everybody
    assert alerts()[1:] == ["Update of incident"]
    assert "impact major" in receiver.posts[1].json["title"]
    for route in (ROUTE, OTHER):
        worker.circuit("closed", route)
    assert alerts()[2:] == ["Resolved: incident"]
    assert receiver.posts[2].json["type"] == "success"
    assert all(incident.id in posted.json["title"] for posted in receiver.posts)


def test_reading_again_alerts_nobody_twice(worker, receiver, alerts):
    worker.circuit("open")
    worker._offsets.clear()
    worker.step()
    assert alerts() == ["Incident opened"]


def test_a_route_that_flaps_is_one_story(worker, receiver, alerts, clock):
    worker.circuit("open", OTHER)
    for _ in range(50):
        clock.pass_(5)
        worker.circuit("half_open", OTHER)
        worker.circuit("open", OTHER)
    assert alerts() == ["Incident opened"]


def test_updates_come_five_minutes_apart_and_the_end_at_once(worker, receiver, alerts, clock):
    worker.circuit("open")
    incident = worker.services.incidents.all()[0].id

    def say(text, **options):
        clock.pass_(1)
        worker.services.incidents.update(
            incident, text, Who("key_1"), **{"public": True, "status": None, **options}
        )
        worker.step()

    say("For us.", public=False)
    assert len(receiver.posts) == 1
    say("First.")
    assert alerts()[1:] == ["Update of incident"]
    say("Second.")
    say("Third.")
    assert len(receiver.posts) == 2
    clock.pass_(296)
    worker.send()
    assert len(receiver.posts) == 2
    clock.pass_(5)
    worker.send()
    assert len(receiver.posts) == 3  # one that says both
    assert "Second." in receiver.posts[2].json["message"]
    assert "Third." in receiver.posts[2].json["message"]
    assert "First." not in receiver.posts[2].json["message"]
    clock.pass_(301)
    worker.send()
    assert len(receiver.posts) == 3
    say("Fourth.")
    say("It is over.", status="resolved")
    assert alerts()[3:] == ["Update of incident", "Resolved: incident"]
    clock.pass_(600)
    worker.send()
    assert len(receiver.posts) == 5


def test_a_target_that_is_down_hears_it_later(worker, receiver, alerts, clock):
    receiver.answer = lambda _: Answer(500)
    worker.circuit("open")
    worker.circuit("closed")
    assert alerts() == ["Incident opened"]
    receiver.answer = lambda _: Answer()
    clock.pass_(61)
    worker.send()
    assert alerts()[1:] == ["Incident opened", "Resolved: incident"]


def test_one_target_does_not_wait_for_another(process, clock, redis, receiver, alerts):
    from tests.alerts.conftest import Worker

    services = process(OTP_ALERT_URLS=f"json://127.0.0.1:1/dead\njson://127.0.0.1:{receiver.port}/live")
    worker = Worker(services, clock, redis)
    worker.circuit("open")
    assert alerts() == ["Incident opened"]
    for _ in range(5):
        clock.pass_(120)
        worker.send()
    assert alerts() == ["Incident opened"]  # whoever took it is not told again


def test_nobody_is_listening_and_nothing_is_kept(process, clock, redis):
    from tests.alerts.conftest import Worker

    Worker(process(OTP_ALERT_URLS=""), clock, redis).circuit("open")
    assert redis.keys("otp:{hooks}*") == []


def failure(n=1, **data):
    told = {
        "id": f"ch_{n}",
        "application": "default",
        "channel": "sms",
        "provider": "twilio_verify",
        "country": "+1",
    }
    told |= {"failure_class": "account", "code": "20003", "remembered": False, **data}
    return OutboxEvent("00", f"17-{n}", "challenge.send_failed", 17, told)


def test_an_account_failure_alerts_once_an_hour(worker, receiver, clock):
    worker.hear(*(failure(n) for n in range(1, 30)))
    worker.hear(failure(30))
    (posted,) = receiver.posts
    assert posted.json["title"] == "twilio_verify refuses our account"
    assert "20003" in posted.json["message"]
    worker.hear(failure(31, provider="smtp"))
    assert len(receiver.posts) == 2
    clock.pass_(3601)
    worker.hear(failure(32))
    assert len(receiver.posts) == 3


def test_modes_and_drills(worker, alerts, receiver):
    worker.services.mode.put(Mode.FALLBACK, Scope("+91"), reason="x", who=Who("cli:ann"), expires_in=60)
    worker.services.mode.put(Mode.AUTO, Scope("+91"), reason="x", who=Who("cli:ann"), expires_in=None)
    worker.step()
    assert alerts() == ["Mode fallback for country +91", "Mode auto for country +91"]
    worker.hear(
        OutboxEvent("00", "99999999999999-1", "drill.finished", 1, {"id": "dr_1", "stopped_by": "safety"})
    )
    assert alerts()[2:] == ["Drill dr_1 stopped for safety"]


def test_they_are_counted(worker, receiver, clock):
    def count(outcome):
        return metrics.ALERTS.labels(outcome)._value.get()

    before = count("failed"), count("delivered")
    receiver.answer = lambda _: Answer(500)
    worker.circuit("open")
    receiver.answer = lambda _: Answer()
    clock.pass_(10)
    worker.send()
    assert (count("failed"), count("delivered")) == (before[0] + 1, before[1] + 1)


SECRET = "hunter2hunter2hunter2"


def test_a_pager_keeps_one_alarm_for_one_incident():
    (target,) = parse_targets(f"pagerduty://{'a' * 20}@{'b' * 20}")
    asked = Apprise.instantiate(target._url_for(Alert("inc_1", "failure", "t", "b")))
    assert (asked.dedup, asked.action) == ("inc_1", "map")
    (own,) = parse_targets(f"pagerduty://{'a' * 20}@{'b' * 20}?dedup=mine")
    assert Apprise.instantiate(own._url_for(Alert("inc_1", "failure", "t", "b"))).dedup == "mine"


@pytest.mark.parametrize("url", [f"slack://{SECRET}", f"nonsense://{SECRET}", f"pagerduty://{SECRET}"])
def test_what_apprise_does_not_take_is_told_without_its_secret(url, caplog, capfd):
    with caplog.at_level(logging.DEBUG), pytest.raises(ValueError, match="number 2") as caught:
        require_understood(parse_targets(f"json://127.0.0.1/ {url}"))
    heard = str(caught.value) + caplog.text + "".join(capfd.readouterr())
    assert SECRET not in heard
    assert SECRET not in repr(parse_targets(url))


def test_nothing_secret_in_redis(process, clock, redis, server):
    from tests.alerts.conftest import Worker

    worker = Worker(process(OTP_ALERT_URLS=f"json://user:{SECRET}@127.0.0.1:1/{SECRET}"), clock, redis)
    worker.circuit("open")
    assert redis.keys("otp:{hooks}:lanes:*")
    assert SECRET not in server.everything_stored()
    assert SECRET not in json.dumps(worker.services.alerts._targets, default=repr)
