"""Limits as callers and operators see them: header fields, problems, pages, commands. A running service."""

import re

import pytest
import requests

from tests.support.people import *  # noqa: F403 - fixtures are found by their names here
from tests.support.visitor import Visitor


@pytest.fixture(scope="module")
def options():
    return {
        "workers": 1,  # whose metrics are all there are
        "worker_process": True,
        "OTP_LIMIT_ADDRESS": "4/1h",
        "OTP_LIMIT_USER": "100/1h",
        "OTP_LIMIT_NUMBER": "20/1h",
        "OTP_FAILURES_ADDRESS": "4",
        "OTP_FAILURES_USER": "6",
        "OTP_FAILURES_LOCK": "8",
        "OTP_CHANGE_NOTICES": "false",
    }


def limits(answer):
    """What the fields say: name -> (quota, window, left, seconds)."""
    policies = re.findall(r'"(\w+)";q=(\d+);w=(\d+)', answer.headers["RateLimit-Policy"])
    found = re.findall(r'"(\w+)";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
    left = {name: (int(remaining), int(seconds)) for name, remaining, seconds in found}
    return {name: (int(quota), int(window), *left[name]) for name, quota, window in policies}


def test_a_start_says_where_its_caller_stands_and_then_is_refused(api, person):
    body = {"user_id": person.id, "phone": person.phone, "client_ip": "203.0.113.50"}
    for left in (3, 2, 1, 0):
        answer = api("POST", "/v1/challenges", body)
        assert answer.status_code == 201
        told = limits(answer)
        assert set(told) == {"address", "application", "user"}
        assert told["address"][:3] == (4, 3600, left)
        assert told["user"][:2] == (100, 3600)
    refused = api("POST", "/v1/challenges", body)
    assert refused.status_code == 429
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert (refused.json()["code"], refused.json()["limit"]) == ("rate_limited", "address")
    assert 800 < int(refused.headers["Retry-After"]) <= 900
    assert limits(refused)["address"][2] == 0
    assert "203.0.113.50" not in refused.text + str(refused.headers)


def test_an_idempotent_repeat_counts_once(api, person):
    body = {"user_id": person.id, "phone": person.phone, "client_ip": "203.0.113.51"}
    headers = {"Idempotency-Key": f"key-{person.id}"}
    first = api("POST", "/v1/challenges", body, headers=headers)
    again = api("POST", "/v1/challenges", body, headers=headers)
    assert again.json()["id"] == first.json()["id"]
    assert limits(first)["address"][2] == 3
    assert "RateLimit" not in again.headers  # how it was then is no news
    assert limits(api("POST", "/v1/challenges", body))["address"][2] == 2


def test_a_refused_request_may_be_sent_again_under_its_key(api, person):
    body = {"user_id": person.id, "phone": person.phone, "client_ip": "203.0.113.52"}
    for _ in range(4):
        api("POST", "/v1/challenges", body)
    headers = {"Idempotency-Key": f"late-{person.id}"}
    assert api("POST", "/v1/challenges", body, headers=headers).status_code == 429
    later = {**body, "client_ip": "203.0.113.53"}
    assert api("POST", "/v1/challenges", later, headers=headers).status_code == 201  # nothing was stored


def test_attempts_and_messages_left(api, person):
    challenge = api.start(person.id, phone=person.phone)
    told = limits(api.verify(challenge["id"], "000000"))
    assert told["attempts"][:3] == (5, 600, 4)
    resent = api("POST", f"/v1/challenges/{challenge['id']}/resend")
    assert resent.status_code == 429  # too soon
    assert int(resent.headers["Retry-After"]) >= 1
    assert limits(resent)["sends"][:3] == (5, 600, 4)


def test_wrong_codes_in_a_row(api, cli, person):
    app, codes = api.enroll(person.id)
    for _ in range(6):
        assert api.verify(api.start(person.id)["id"], "000000").json()["valid"] is False
    challenge = api.start(person.id)
    held = api.verify(challenge["id"], app.now())
    assert held.status_code == 429
    assert held.json()["code"] == "too_many_failures"
    assert held.json()["accepts"] == ["backup_code"]
    assert 25 <= int(held.headers["Retry-After"]) <= 30
    assert limits(held)["failures"][2] == 0
    shown = cli("users", "show", person.id, "--json")["failures"]
    assert (shown["number"], shown["locked"]) == (6, False)
    assert shown["held_until"] is not None
    assert "wrong codes in a row: 6, held until" in cli("users", "show", person.id)
    # A backup code is as good as ever, and a success forgets.
    assert api.verify(challenge["id"], codes[0]).json()["valid"] is True
    assert cli("users", "show", person.id, "--json")["failures"]["number"] == 0
    assert api.verify(api.start(person.id)["id"], app.now()).json()["valid"] is True
    cli("users", "unlock", person.id, "--reason", "nothing to forget", code=1)


def test_an_operator_unlocks(api, cli, person):
    app, _ = api.enroll(person.id)
    for _ in range(6):
        api.verify(api.start(person.id)["id"], "000000")
    assert api.verify(api.start(person.id)["id"], app.now()).status_code == 429
    assert "Forgot 6 wrong codes" in cli("users", "unlock", person.id, "--reason", "knows her")
    assert api.verify(api.start(person.id)["id"], app.now()).json()["valid"] is True
    for _ in range(6):
        api.verify(api.start(person.id)["id"], "000000")
    path = f"/v1/users/{person.id}/unlock"
    assert api("POST", path, {"reason": "knows her"}).json() == {"failures": 6}
    assert api("POST", path, {"reason": "again"}).status_code == 404
    assert api("POST", path, {}).status_code == 422
    deeds = api("GET", "/v1/ops/audit?limit=1").json()["entries"]
    assert deeds[0]["action"] == "user.unlock"
    assert person.id not in str(deeds)


def test_the_page_says_it(api, stack, person):
    _, codes = api.enroll(person.id)
    for _ in range(6):
        api.verify(api.start(person.id)["id"], "000000")
    begun = api.start(person.id, return_url="http://127.0.0.1/done", locale="en")
    said = Visitor(stack.url).open(begun["challenge_url"]).send("verify", code="123456").text
    assert "Too many wrong codes. Wait a little and try again, or use a backup code." in said
    assert api.get(begun["id"])["status"] == "pending"
    assert api.verify(begun["id"], codes[0]).json()["valid"] is True


def test_contacts_that_earn_are_refused(api, person):
    answer = api("PUT", f"/v1/users/{person.id}/contacts", {"phone": "+19005551234"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "phone", "message": "a premium-rate or shared-cost number gets no codes"}
    ]


def test_a_start_with_a_number_that_earns(api, person):
    challenge = api.start(person.id, phone="+19005551234", email=person.email)
    assert challenge["channel"] == "email"
    assert challenge["channels"][0]["reason"] == "not_allowed"
    assert challenge["notice"]["message"].startswith("We can't send text messages to your number.")


def test_the_api_of_suspected_blocks(api, cli):
    assert api("GET", "/v1/ops/fraud").json() == {"suspects": []}
    assert cli("fraud", "--json") == {"suspects": []}
    assert "No toll fraud is suspected" in cli("fraud")
    cleared = api("POST", "/v1/ops/fraud/clear", {"block": "+1415555", "reason": "x"})
    assert (cleared.status_code, cleared.json()["code"]) == (404, "suspect_not_found")
    assert api("POST", "/v1/ops/fraud/clear", {"block": "1415555", "reason": "x"}).status_code == 422
    cli("fraud", "clear", "+1415555", "--reason", "x", code=1)


def test_refusals_are_counted(stack):
    text = requests.get(f"{stack.url}/metrics", timeout=5).text
    assert re.search(r'otp_rate_limited_total\{limit="address"\} [1-9]', text)
    assert re.search(r'otp_rate_limited_total\{limit="failures"\} [1-9]', text)
