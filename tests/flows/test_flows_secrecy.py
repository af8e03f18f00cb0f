"""Nothing secret or personal can be read where it does not belong."""

import base64
import re

import pytest
import requests

from tests.support.stack import API_KEY, wait_until


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "1"}


def busy(stack, person):
    """A day in the life of one user; everything that must not be found afterwards."""
    api, sandbox = stack.api, stack.sandbox
    secrets = {person.id, person.phone, person.phone[2:], person.email, API_KEY}
    secrets |= {person.email.partition("@")[0], person.id.partition("@")[0]}
    api("PUT", f"/v1/users/{person.id}/contacts", {"phone": person.phone, "email": person.email})
    begun = api("POST", "/v1/enrollments", {"user_id": person.id, "label": "Label of hers"}).json()
    secrets |= {begun["secret"], base64.b32decode(begun["secret"]).hex(), "Label of hers"}
    app, codes = api.enroll(person.id)
    secrets |= {app.secret, *codes, *(code.replace("-", "") for code in codes)}

    def start(**fields):
        return api.start(
            person.id, action="an-action", metadata={"k": "meta-data"}, client_ip="203.0.113.77", **fields
        )

    secrets |= {"an-action", "meta-data", "203.0.113.77"}
    proofs = []
    sms = start()
    code = sandbox.code(person.phone)
    secrets.add(code)
    api.verify(sms["id"], "000000")
    proofs.append(api.verify(sms["id"], code).json()["proof"])
    mail = start(channels=["email"])
    code = sandbox.code(person.email, "email")
    secrets.add(code)
    proofs.append(api.verify(mail["id"], code).json()["proof"])
    code = app.now()
    secrets.add(code)
    totp = start(channels=["totp"])
    proofs.append(api.verify(totp["id"], code).json()["proof"])
    backup = start(channels=["backup_code"])
    proofs.append(api.verify(backup["id"], codes[0]).json()["proof"])
    headers = {"Idempotency-Key": "a-key-of-the-caller"}
    api("POST", f"/v1/users/{person.id}/backup-codes", {}, headers=headers)
    sandbox.fail("landline")
    start(channels=["sms", "voice", "email"])
    sandbox.heal()
    sandbox.fail("http_500")
    late = start(channels=["whatsapp", "email"])
    sandbox.heal()
    sandbox.fail("not_delivered", operation="send", channel="call")
    silent = start(channels=["voice", "email"])
    wait_until(lambda: api.get(silent["id"])["channel"] == "email")
    for answer in (
        api("GET", f"/v1/users/{person.id}/nothing-here"),
        api("POST", "/v1/challenges", {"user_id": person.id, "phone": "not-a-number-4711"}),
        api("POST", f"/v1/challenges/{late['id']}/verify", {"code": ["x"]}),
    ):
        assert answer.status_code in (404, 405, 422)
    secrets.add("not-a-number-4711")
    return secrets | set(proofs)


def test_nothing_secret_or_personal_can_be_read(stack, person):
    secrets = busy(stack, person)
    stack.redis().bgrewriteaof()
    stored = stack.everything_stored()
    assert len(stored) > 2000
    on_disk = "".join(
        path.read_bytes().decode("latin-1")
        for folder in (stack.folder, stack.folder / "appendonlydir")
        for path in folder.iterdir()
        if path.is_file() and path.suffix in (".aof", ".rdb", "")
    )
    assert len(on_disk) > 2000
    metrics = requests.get(f"{stack.url}/metrics", timeout=5).text
    logs = stack.web.text() + stack.worker.text()
    assert "no_channel_left" in logs or "send_failed" in logs
    places = {"redis": stored, "disk": on_disk, "metrics": metrics, "logs": logs}
    found = [(where, secret) for where, text in places.items() for secret in secrets if leaks(text, secret)]
    assert found == []


def leaks(text, secret):
    if secret.isdigit() and len(secret) < 8:  # a code: not within a longer number
        return re.search(rf"(?<![0-9A-Za-z]){secret}(?![0-9A-Za-z])", text) is not None
    return secret in text or base64.b64encode(secret.encode()).decode().rstrip("=")[:-1] in text


def test_the_search_itself_finds_what_is_there():
    assert leaks('{"code":"123456"}', "123456")
    assert not leaks("1734123456789", "123456")
    assert leaks(base64.b64encode(b"alice@example.com").decode(), "alice@example.com")


def test_errors_do_not_repeat_what_was_sent(api, person):
    answer = api("POST", "/v1/challenges", {"user_id": person.id, "phone": "+1555secret", "code": "424242"})
    assert answer.status_code == 422
    assert "secret" not in answer.text
    assert "424242" not in answer.text
    assert person.id not in answer.text


def test_unknown_and_known_users_get_the_same_answers(api, sandbox, person):
    api.enroll(person.id)
    known = api.start(person.id, email=person.email, channels=["email"])
    unknown = api.start("nobody-" + person.id, email=person.email, channels=["email"])
    assert known.keys() == unknown.keys()
    assert [e.keys() for e in known["channels"]] == [e.keys() for e in unknown["channels"]]
    a = api.verify(known["id"], "000000")
    b = api.verify(unknown["id"], "000000")
    assert (a.status_code, a.json()) == (b.status_code, b.json())
