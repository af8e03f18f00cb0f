"""Following what happens, as it happens."""

import contextlib
import json
import re
import socket
import threading
import time

import pytest
import requests

from service.domain.events import TOLD, told
from tests.support.commands import otp_fallback
from tests.support.stack import API_KEY, ROOT, wait_until

FOR_OURSELVES = {"provider.checked"}


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_CHANGE_NOTICES": "false"}


class Listener:
    """Reads a stream in the background."""

    def __init__(self, url, seconds=20, types="", last=None, key=API_KEY):
        headers = {"Authorization": f"Bearer {key}"} | ({"Last-Event-ID": last} if last else {})
        self.answer = requests.get(
            f"{url}/v1/ops/events",
            params={"for": seconds, "types": types},
            headers=headers,
            stream=True,
            timeout=30,
        )
        self.events, self.ids, self.ended = [], [], threading.Event()
        self.closed = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            self._hear()
        except Exception:  # it was closed from under the reader
            if not self.closed:
                raise
        finally:
            self.ended.set()

    def _hear(self):
        for line in self.answer.iter_lines(chunk_size=1):
            name, _, value = line.decode().partition(": ")
            if name == "data":
                self.events.append(json.loads(value))
            elif name == "id":
                self.ids.append(value)

    def close(self):
        self.closed = True
        with contextlib.suppress(OSError, AttributeError):
            # Closing alone waits for the reader, and that one for the next event.
            self.answer.raw.connection.sock.shutdown(socket.SHUT_RDWR)
        self.answer.close()

    def types(self):
        return [event["type"] for event in self.events]


@pytest.fixture
def listen(stack):
    made = []

    def start(**options):
        made.append(Listener(stack.url, **options))
        return made[-1]

    yield start
    for listener in made:
        listener.close()


def test_a_challenge_is_followed(listen, api, sandbox, person):
    listener = listen()
    assert listener.answer.headers["Content-Type"].startswith("text/event-stream")
    challenge = api.start(person.id, phone=person.phone, email=person.email)
    api("POST", f"/v1/challenges/{challenge['id']}/switch", {"channel": "email"})
    api.verify(challenge["id"], sandbox.code(person.email, "email"))
    wait_until(lambda: "challenge.approved" in listener.types())
    mine = [event for event in listener.events if event["data"].get("id") == challenge["id"]]
    assert [event["type"] for event in mine] == [
        "challenge.created", "challenge.sent", "challenge.switched", "challenge.sent", "challenge.approved",
    ]  # fmt: skip
    assert len({event["id"] for event in mine}) == 5
    everything = json.dumps(listener.events)
    for personal in (person.id, person.phone, person.email):
        assert personal not in everything


def test_only_what_was_asked_for(listen, api, people):
    listener = listen(types="mode,incident")
    person = people()
    api.start(person.id, phone=person.phone)
    api("PUT", "/v1/ops/mode", {"mode": "auto", "reason": "x"})
    wait_until(lambda: listener.events)
    assert set(listener.types()) == {"mode.changed"}
    assert listener.events[0]["data"]["mode"] == "auto"


def test_it_goes_on_where_it_was(listen, api, people):
    listener = listen(types="mode")
    api("PUT", "/v1/ops/mode", {"mode": "auto", "reason": "first"})
    wait_until(lambda: listener.events)
    listener.close()
    api("PUT", "/v1/ops/mode", {"mode": "auto", "country": "+49", "reason": "meanwhile"})
    again = listen(types="mode", last=listener.ids[-1])
    wait_until(lambda: any(event["data"].get("country") == "+49" for event in again.events))
    assert {event["id"] for event in again.events} - {event["id"] for event in listener.events}


def test_a_revoked_key_hears_no_more(listen, api, stack):
    made = json.loads(
        otp_fallback(stack.env, "keys", "create", "--name", "x", "--scope", "ops:read", "--json", check=True).stdout
    )  # fmt: skip
    listener = listen(seconds=60, key=made["key"])
    otp_fallback(stack.env, "keys", "revoke", made["id"], check=True)
    assert listener.ended.wait(20)


def test_it_ends_when_it_was_asked_to(listen):
    began = time.monotonic()
    assert listen(seconds=1).ended.wait(15)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("query", "headers"),
    [("for=0", {}), ("for=9999", {}), ("for=x", {}), ("", {"Last-Event-ID": "yesterday"})],
)
def test_bad_questions(stack, query, headers):
    answer = requests.get(
        f"{stack.url}/v1/ops/events?{query}",
        headers={"Authorization": f"Bearer {API_KEY}", **headers},
        timeout=9,
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_not_for_everybody(stack):
    assert requests.get(f"{stack.url}/v1/ops/events", timeout=9).status_code == 401


def test_nothing_happens_that_nobody_decided_about():
    """Every type that the code writes is told of, or known to be for ourselves."""
    found = set()
    for path in (ROOT / "service").rglob("*"):
        if path.suffix not in (".py", ".lua"):
            continue
        text = path.read_text("utf-8")
        found |= {f"challenge.{kind}" for kind in re.findall(r"""challenge_event\(\s*"(\w+)\"""", text)}
        found |= {f"challenge.{kind}" for kind in re.findall(r"emit_challenge\(keys\.outbox, '(\w+)'", text)}
        found |= set(re.findall(r"""\b_?[Ee]vent\(\s*"([a-z_]+\.[a-z_]+)\"""", text))
        found |= set(re.findall(r"emit\([\w.]+, '([a-z_]+\.[a-z_]+)'", text))
        found |= set(re.findall(r'"(incident\.[a-z]+ed)"', text))
    assert {
        "challenge.created",
        "backup_code.used",
        "mode.changed",
        "factor.removed",
        "drill.finished",
    } <= found
    assert found - set(TOLD) == FOR_OURSELVES


def test_what_is_not_named_is_not_told():
    assert told(
        "contacts.changed", {"application": "a", "user": "h", "address": "sealed", "changed": ["email"]}
    ) == {
        "application": "a",
        "changed": ["email"],
    }
    assert told("provider.checked", {"id": "x", "fault": False}) is None
    assert all("user" not in fields and "address" not in fields for fields in TOLD.values())
