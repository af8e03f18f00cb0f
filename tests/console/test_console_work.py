"""What operators do at the console, by plain forms."""

import re

import pytest

from tests.support.stack import wait_until


def hidden(text):
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text.partition("<main")[2]))


@pytest.fixture
def mode(api):
    """What is in force; `auto` again when the test is over."""
    yield lambda: api("GET", "/v1/ops/mode").json()
    for setting in api("GET", "/v1/ops/mode").json()["settings"]:
        scope = {name: setting[name] for name in ("country", "application") if setting[name]}
        assert api("POST", "/v1/ops/mode/clear", {"reason": "test over", **scope}).ok


def test_the_switch_says_what_it_will_do_first(signed_in, api, mode, people):
    ready, alone = people(), people()
    api.enroll(ready.id)
    api("PUT", f"/v1/users/{alone.id}/contacts", {"phone": alone.phone})
    asked = {"mode": "fallback", "country": "+1", "reason": "Twilio & <b>co</b>", "lasting": "900"}
    answer = signed_in.send("/mode", **asked)
    assert mode()["settings"] == []  # nothing was done yet
    assert "fallback for numbers of +1?" in answer.text
    assert "have another way in" in answer.text
    assert "will not get in" in answer.text
    assert "<b>co</b>" not in answer.text
    done = signed_in.post("/mode", **{**hidden(answer.text), "reason": "Twilio & <b>co</b>"})
    assert "It holds from now on." in done.text
    (setting,) = mode()["settings"]
    assert (setting["mode"], setting["country"], setting["reason"]) == (
        "fallback",
        "+1",
        "Twilio & <b>co</b>",
    )
    assert setting["set_by"].startswith("key_")
    assert setting["expires_at"]
    assert api.start(alone.id)["status"] == "failed"
    assert "mode.set" in signed_in.get("/audit").text
    back = signed_in.send("/mode", mode="auto", country="+1", reason="over")
    assert "what holds for everybody holds for numbers of +1, too" in back.text
    signed_in.post("/mode", **hidden(back.text))
    assert mode()["settings"] == []


def test_what_was_taken_back_follows_what_holds_for_everybody(signed_in, api, mode, people):
    for asked in ({"mode": "fallback", "country": "+1"}, {"mode": "auto", "country": "+1"}):
        signed_in.post("/mode", **hidden(signed_in.send("/mode", **asked, reason="x").text))
    api("PUT", "/v1/ops/mode", {"mode": "primary_only", "application": "shop", "reason": "x"})
    answer = signed_in.send("/mode", mode="fallback", reason="everywhere")
    assert "Not for application shop: there primary_only stays in force." in answer.text
    signed_in.post("/mode", **hidden(answer.text))
    person = people()
    assert api.start(person.id, phone=person.phone, email=person.email)["channel"] == "email"


def test_a_misspelled_application_is_noticed(signed_in):
    assert (
        "Is it spelled right?"
        in signed_in.send("/mode", mode="fallback", application="shpo", reason="x").text
    )
    assert (
        "Is it spelled"
        not in signed_in.send("/mode", mode="fallback", application="default", reason="x").text
    )


def test_two_people_at_once_notice_each_other(signed_in, desk, mode, api):
    asked = {"mode": "fallback", "application": "shop", "reason": "x"}
    first = hidden(signed_in.send("/mode", **asked).text)
    api("PUT", "/v1/ops/mode", {"mode": "primary_only", "application": "shop", "reason": "the other one"})
    answer = signed_in.post("/mode", **first)
    assert answer.status_code == 409
    assert "This was changed just now" in answer.text
    assert {s["application"]: s["mode"] for s in mode()["settings"]}["shop"] == "primary_only"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"mode": "off"}, "mode"),
        ({"country": "91"}, "country"),
        ({"application": "a b"}, "application"),
        ({"reason": ""}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"lasting": "7"}, "lasting"),
    ],
)
def test_bad_switches(signed_in, mode, fields, word):
    before = mode()
    answer = signed_in.send(
        "/mode", **{"mode": "fallback", "reason": "x", "confirmed": "yes", "version": "0", **fields}
    )
    assert answer.status_code == 422
    assert f"{word}: " in answer.text
    assert mode() == before


def test_a_drill_from_beginning_to_end(signed_in, api, sandbox, people):
    person = people()
    app, _ = api.enroll(person.id)
    asked = {"kind": "outage", "share": "1", "duration": "300", "max_stuck": "5", "reason": "rehearsal"}
    answer = signed_in.send("/drills", **asked)
    assert "Begin this drill?" in answer.text
    assert api("GET", "/v1/ops/drills").json()["drills"] == []
    running = signed_in.post("/drills", **hidden(answer.text))
    assert "Running; it ends" in running.text
    challenge = api.start(person.id, phone=person.phone)
    assert challenge["switches"][0]["reason"] == "drill"
    assert api.verify(challenge["id"], app.now()).json()["valid"]
    path = running.url.partition("/console")[2]
    report = wait_until(lambda: (t := signed_in.get(path).text) and "1 by totp" in t and t)
    assert "1 switched to another channel" in report
    assert path.rpartition("/")[2] in signed_in.get().text  # the overview has it
    again = signed_in.send("/drills", **asked, confirmed="yes")
    assert (again.status_code, "Another drill is running." in again.text) == (409, True)
    assert "stopped by an operator" in signed_in.send(f"{path}/stop").text


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"kind": "flood"}, "kind"),
        ({"share": "2"}, "share"),
        ({"duration": "1"}, "duration"),
        ({"max_stuck": "many"}, "max_stuck"),
        ({"country": "x"}, "country"),
        ({"reason": ""}, "reason"),
    ],
)
def test_bad_drills(signed_in, api, fields, word):
    before = len(api("GET", "/v1/ops/drills").json()["drills"])
    asked = {
        "kind": "outage",
        "share": "1",
        "duration": "300",
        "max_stuck": "5",
        "reason": "x",
        "confirmed": "yes",
    }
    answer = signed_in.send("/drills", **{**asked, **fields})
    assert answer.status_code == 422
    assert f"{word}: " in answer.text
    assert len(api("GET", "/v1/ops/drills").json()["drills"]) == before


def test_a_user_looked_up_and_reset(signed_in, api, people, sandbox):
    person = people()
    api.enroll(person.id)
    api("PUT", f"/v1/users/{person.id}/contacts", {"phone": person.phone, "email": person.email})
    challenge = api.start(person.id)
    answer = signed_in.send("/users", user_id=person.id, application="default")
    assert person.id not in answer.url
    assert challenge["id"] in answer.text
    assert person.phone not in answer.text
    assert person.email not in answer.text
    assert f"{person.phone[:5]}***{person.phone[-4:]}" in answer.text
    fields = {"user_id": person.id, "application": "default"}
    assert signed_in.send("/users/reset", **fields, reason="lost phone").status_code == 422  # not confirmed
    assert len(api("GET", f"/v1/users/{person.id}/factors").json()["factors"]) == 1
    done = signed_in.send("/users/reset", **fields, reason="lost phone", confirmed="yes")
    assert "Removed 1 apps and 10 backup codes." in done.text
    assert api("GET", f"/v1/users/{person.id}/factors").json()["factors"] == []
    assert signed_in.send("/users/reset", **fields, reason="x", confirmed="yes").status_code == 409
    trail = signed_in.get("/audit").text
    assert "user.reset" in trail
    assert person.id not in trail


@pytest.mark.parametrize(
    "fields", [{"user_id": ""}, {"user_id": "x" * 257}, {"user_id": "a", "application": "b c"}]
)
def test_bad_look_ups(signed_in, fields):
    assert signed_in.send("/users", **{"application": "default", **fields}).status_code == 422


def test_webhooks(signed_in, api):
    made = api("POST", "/v1/ops/webhooks", {"url": "http://127.0.0.1:9/secret-path"}).json()
    listed = signed_in.get("/webhooks").text
    assert "http://127.0.0.1:9" in listed
    assert "secret-path" not in listed
    assert "waits to be sent" in signed_in.send(f"/webhooks/{made['id']}/test").text
    api("PATCH", f"/v1/ops/webhooks/{made['id']}", {"enabled": False})
    assert signed_in.send(f"/webhooks/{made['id']}/test").status_code == 409
    assert "They are sent again." in signed_in.send(f"/webhooks/{made['id']}/replay").text
    api("DELETE", f"/v1/ops/webhooks/{made['id']}")
    assert signed_in.get(f"/webhooks/{made['id']}").status_code == 404


def test_unknown(signed_in):
    assert signed_in.send("/users", user_id="nobody", application="default").status_code == 404
    for path in ("/incidents/inc_none", "/drills/dr_none"):
        answer = signed_in.get(path)
        assert answer.status_code == 404
        assert "That did not work" in answer.text
    assert signed_in.get("/audit?before=1-1").status_code == 200
    assert signed_in.get("/audit?before=../x").status_code == 200
    assert signed_in.get("?hours=999").status_code == 200


def test_without_redis_it_says_so(desk, stack):
    visitor = desk()
    visitor.sign_in()
    stack.valkey.kill()
    try:
        answer = visitor.get()
        assert answer.status_code == 503
        assert "Retry-After" in answer.headers
        assert "That did not work" in answer.text
    finally:
        stack.start_valkey()
        wait_until(lambda: visitor.get().status_code == 200)
