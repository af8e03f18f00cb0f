"""Nothing secret or personal can be read where it does not belong."""

import base64

import pytest
import requests

from tests.support.secrecy import busy, leaks


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "1"}


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
