"""Bad input: a clear error that names the field, and nothing changed."""

import json

import pytest

from tests.support.stack import API_KEY, running

JSON = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
START = "/v1/challenges"
USER = {"user_id": "u"}

# method, path, body, field at fault
FIELDS = [
    ("POST", START, {}, "user_id"),
    ("POST", START, {"user_id": None}, "user_id"),
    ("POST", START, {"user_id": 7}, "user_id"),
    ("POST", START, {"user_id": True}, "user_id"),
    ("POST", START, {"user_id": ["u"]}, "user_id"),
    ("POST", START, {"user_id": ""}, "user_id"),
    ("POST", START, {"user_id": "x" * 257}, "user_id"),
    ("POST", START, {"user_id": "a\0b"}, "user_id"),
    ("POST", START, {"user_id": "a\nb"}, "user_id"),
    ("POST", START, {**USER, "colour": "red"}, "colour"),
    ("POST", START, {**USER, "phone": "4155550123"}, "phone"),
    ("POST", START, {**USER, "phone": "+1"}, "phone"),
    ("POST", START, {**USER, "phone": 14155550123}, "phone"),
    ("POST", START, {**USER, "phone": "+1415555" + "0" * 40}, "phone"),
    ("POST", START, {**USER, "email": "alice"}, "email"),
    ("POST", START, {**USER, "email": "a@b.example\r\nBcc: x@y.example"}, "email"),
    ("POST", START, {**USER, "channels": []}, "channels"),
    ("POST", START, {**USER, "channels": "sms"}, "channels"),
    ("POST", START, {**USER, "channels": ["pigeon"]}, "channels.0"),
    ("POST", START, {**USER, "channels": ["sms", "sms"]}, "channels"),
    ("POST", START, {**USER, "channels": [["sms"]]}, "channels.0"),
    ("POST", START, {**USER, "locale": "not a locale"}, "locale"),
    ("POST", START, {**USER, "locale": "../../etc/passwd"}, "locale"),
    ("POST", START, {**USER, "action": "x" * 65}, "action"),
    ("POST", START, {**USER, "client_ip": "300.1.1.1"}, "client_ip"),
    ("POST", START, {**USER, "metadata": {"k": 1}}, "metadata.k"),
    ("POST", START, {**USER, "metadata": {"k": "x" * 257}}, "metadata.k"),
    ("POST", START, {**USER, "metadata": {str(n): "x" for n in range(11)}}, "metadata"),
    ("POST", START, {**USER, "min_assurance": "aal9"}, "min_assurance"),
    ("POST", "{challenge}/verify", {}, "code"),
    ("POST", "{challenge}/verify", {"code": 123456}, "code"),
    ("POST", "{challenge}/verify", {"code": ""}, "code"),
    ("POST", "{challenge}/verify", {"code": "1" * 65}, "code"),
    ("POST", "{challenge}/verify", {"code": "12\x003456"}, "code"),
    ("POST", "{challenge}/verify", {"code": "123456", "channel": "fax"}, "channel"),
    ("POST", "{challenge}/verify", {"code": "123456", "channel": "sms"}, "channel"),
    ("POST", "{challenge}/verify", {"code": "123456", "extra": 1}, "extra"),
    ("POST", "{challenge}/switch", {"channel": "fax"}, "channel"),
    ("POST", "{challenge}/switch", {"channel": "voice"}, "channel"),
    ("POST", "{challenge}/resend", {"x": 1}, "x"),
    ("POST", "{challenge}/cancel", {"x": 1}, "x"),
    ("POST", "/v1/enrollments", {}, "user_id"),
    ("POST", "/v1/enrollments", {**USER, "label": ""}, "label"),
    ("POST", "/v1/enrollments", {**USER, "label": "x" * 129}, "label"),
    ("POST", "/v1/enrollments", {**USER, "device_name": "a\x1bb"}, "device_name"),
    ("POST", "{enrollment}/confirm", {}, "code"),
    ("POST", "{enrollment}/confirm", {"code": "abcdef"}, "code"),
    ("POST", "{enrollment}/confirm", {"code": "000000"}, "code"),
    ("PUT", "/v1/users/u/contacts", {"phone": "x"}, "phone"),
    ("PUT", "/v1/users/u/contacts", {"email": "x"}, "email"),
    ("PUT", "/v1/users/u/contacts", {"fax": "x"}, "fax"),
    ("PUT", f"/v1/users/{'x' * 257}/contacts", {"phone": "+14155550123"}, "user_id"),
    ("GET", "/v1/users/%00/factors", None, "user_id"),
    ("GET", "{challenge}?wait=-1", None, "wait"),
    ("GET", "{challenge}?wait=61", None, "wait"),
    ("GET", "{challenge}?wait=1e9", None, "wait"),
    ("GET", "{challenge}?wait=٣", None, "wait"),
]


@pytest.fixture(scope="module")
def known(stack):
    challenge = stack.api.start("u", email="u@mail.example", channels=["email"])
    enrollment = stack.api("POST", "/v1/enrollments", {"user_id": "u"}).json()
    return {
        "challenge": f"/v1/challenges/{challenge['id']}",
        "enrollment": f"/v1/enrollments/{enrollment['id']}",
    }


def fill(path, known):
    for name, value in known.items():
        path = path.replace(f"{{{name}}}", value)
    return path


@pytest.mark.parametrize(("method", "path", "body", "field"), FIELDS)
def test_the_field_is_named_and_nothing_changes(stack, known, method, path, body, field):
    before = stack.everything_stored()
    raw = None if body is None else json.dumps(body)
    answer = stack.api.session.request(method, stack.url + fill(path, known), data=raw, headers=JSON)
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid_request"
    assert [fault["field"] for fault in problem["errors"]] == [field]
    assert all(len(fault["message"]) > 5 for fault in problem["errors"])
    if path.startswith("{challenge}/verify") and field == "channel":
        return
    assert stack.everything_stored() == before


def test_several_faults_are_told_together(api):
    answer = api("POST", START, {"phone": 1, "locale": "!", "x": 1})
    assert {fault["field"] for fault in answer.json()["errors"]} == {"user_id", "phone", "locale", "x"}


BODIES = [
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"{'user_id': 'u'}",
    b'{"user_id": "\xff\xfe"}',
    b'{"user_id": NaN}',
    b'{"user_id": "u"} trailing',
    b"\x00",
    b"[" * 60_000,
    b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    b"\xef\xbb\xbf{}",
    b'{"user_id": "\\ud800"}',
]


@pytest.mark.parametrize("raw", BODIES, ids=range(len(BODIES)))
def test_what_is_no_json_object(stack, raw):
    before = stack.redis().dbsize()
    answer = stack.api.session.post(stack.url + START, data=raw, headers=JSON)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert stack.redis().dbsize() == before


def test_a_huge_body_is_refused(stack):
    answer = stack.api.session.post(stack.url + START, data=b" " * 70_000, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_a_huge_body_in_chunks_is_refused(stack):
    answer = stack.api.session.post(stack.url + START, data=(b" " * 1000 for _ in range(80)), headers=JSON)
    assert answer.status_code == 413


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type_is_refused(stack, kind):
    answer = stack.api.session.post(
        stack.url + START, data=b'{"user_id":"u"}', headers={**JSON, "Content-Type": kind}
    )
    assert answer.status_code == 400
    assert "application/json" in answer.json()["detail"]


@pytest.mark.parametrize(
    "id_",
    [
        "x",
        "ch_",
        "ch_" + "A" * 24,
        "ch_zz" + "A" * 22,
        "en_00" + "A" * 22,
        "ch_00" + "%00" * 22,
        "ch_00*",
        "ch_00" + "A" * 3000,
    ],
)
def test_ids_that_are_none(api, id_):
    answer = api("GET", f"/v1/challenges/{id_}")
    assert answer.status_code == 404
    assert answer.json()["code"] == "challenge_not_found"
    assert api("POST", f"/v1/enrollments/{id_}/confirm", {"code": "123456"}).status_code in (404, 422)


@pytest.mark.parametrize(
    "user_id",
    ["a/b//c", "%2e%2e/x", "user@example.com", "ünïcødé", "日本", "a b", "x" * 256, "*", "{00}", "'; --"],
)
def test_a_user_id_may_hold_anything(api, user_id):
    from urllib.parse import quote

    api.enroll(user_id)
    factors = api("GET", f"/v1/users/{quote(user_id, safe='')}/factors").json()
    assert len(factors["factors"]) == 1
    assert api.start(user_id)["channel"] == "totp"
    assert api("DELETE", f"/v1/users/{quote(user_id, safe='')}").status_code == 204
    assert api("GET", f"/v1/users/{quote(user_id, safe='')}/factors").json()["factors"] == []


@pytest.mark.parametrize("key", ["", "x" * 256, "a b", "é"])
def test_idempotency_keys_that_are_none(api, key):
    answer = api("POST", START, USER, headers={"Idempotency-Key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


def test_answers_of_errors_are_remembered_too(api):
    headers = {"Idempotency-Key": "bad-one"}
    first = api("POST", START, {"user_id": ""}, headers=headers)
    again = api("POST", START, {"user_id": ""}, headers=headers)
    assert first.status_code == again.status_code == 422
    assert again.headers["Idempotency-Replayed"] == "true"


def test_what_trying_again_may_mend_is_not_remembered():
    with running() as stack:
        headers = {"Idempotency-Key": "resend"}
        challenge = stack.api.start("u", email="u@mail.example", channels=["email"])
        path = f"/v1/challenges/{challenge['id']}/resend"
        assert stack.api("POST", path, {}, headers=headers).status_code == 429
        (key,) = stack.redis().scan_iter("otp:*:c:*")
        raw = stack.redis().get(key).decode()
        resend_at = raw.split('"ra":')[1].split(",")[0].rstrip("}")
        stack.redis().set(key, raw.replace(resend_at, "1", 1), keepttl=True)
        assert stack.api("POST", path, {}, headers=headers).status_code == 200
