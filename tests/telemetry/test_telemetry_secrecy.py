"""What no log, metric or error tells, whatever providers, callers, pages and broken records do."""

import json
import socket
import time

import pyotp
import pytest
import requests

from tests.support.commands import otp_fallback
from tests.support.secrecy import busy, leaks
from tests.support.stack import TOKEN, Stack, wait_until
from tests.support.visitor import Visitor
from tests.telemetry.echo import Echo


@pytest.fixture(scope="module", params=["true", "false"], ids=["codes of ours", "codes of Twilio's"])
def running_stack(request, shared_metrics):
    stack = Stack(
        worker_process=True,
        OTP_DELIVERY_DEADLINE="1",
        OTP_TWILIO_CUSTOM_CODE=request.param,
        OTP_RETURN_URLS="https://shop.example/",
        **shared_metrics,
    )
    with Echo(stack.sandbox.url, stack.smtp_port) as stack.echo:
        stack.env |= stack.echo.settings
        stack.web.command += ["-c", "python:service.runtime.gunicorn_conf"]
        try:
            yield stack.start()
        finally:
            stack.stop()


@pytest.fixture
def problems(api):
    """Bodies of every error answer that a caller gets."""
    found = []

    def note(answer, **_):
        if answer.status_code >= 400:
            found.append(answer.text)

    api.session.hooks["response"].append(note)
    yield found
    api.session.hooks["response"].remove(note)


def links(stack, person):
    """A user's visits; the tokens of the links."""
    api, tokens = stack.api, set()
    begun = api("POST", "/v1/enrollments", {"user_id": person.id}).json()
    challenge = api.start(person.id, phone=person.phone, return_url="https://shop.example/back")
    account = api("POST", f"/v1/users/{person.id}/link", {}).json()["account_url"]
    for url in (begun["enrollment_url"], challenge["challenge_url"], account):
        tokens.add(url.rpartition("/")[2])
        visitor = Visitor(stack.url).open(url)
        assert visitor.answer.status_code == 200, visitor.answer.text
        for action in set(visitor.actions) & {"confirm", "verify", "switch", "resend"}:
            visitor.send(action, code="135790")
        Visitor(stack.url).open(url)  # a second browser
        requests.post(visitor.answer.url, data={"code": "135790", "csrf": "forged-4711"}, timeout=10)
    requests.get(f"{stack.url}/enroll/no-such-token-4711", timeout=10)
    return tokens | {begun["secret"], "135790", "forged-4711", "no-such-token-4711"}


def unwell(stack, person):
    """Every provider answers with an error that quotes."""
    api, secrets = stack.api, set()
    before = api.start(person.id, phone=person.phone)
    secrets.add(code := stack.sandbox.code(person.phone))
    stack.echo.echoing = True
    try:
        asked = api.verify(before["id"], "246801")
        api.verify(before["id"], code)
        headers = {"X-Request-Id": "request-of-the-test"}
        body = {"user_id": person.id, "phone": person.phone, "email": person.email}
        body["channels"] = ["sms", "voice", "whatsapp", "email"]
        dead = api("POST", "/v1/challenges", body, headers=headers).json()
        assert dead["status"] == "failed", dead
        assert asked.status_code in (200, 503)
        api("POST", f"/v1/users/{person.id}/backup-codes", {})  # the worker tells the user by e-mail
        wait_until(lambda: "notice_not_sent" in stack.worker.text())
    finally:
        stack.echo.echoing = False
    return secrets | {"246801"}


def ill_formed(stack, person):
    """Requests that nobody should send, full of what should not be told."""
    api, phone, email = stack.api, person.phone, person.email
    for body in (
        f'{{"user_id": "{person.id}", "phone": "{phone}"',
        f'{{"user_id": "{person.id}", "{email}": 1, "{phone}": 2, "metadata": {{"{email}": [1]}}}}',
        f'{{"user_id": ["{email}"], "phone": {{"{phone}": "{phone}"}}, "channels": ["{email}"]}}',
        f'{{"user_id": "{person.id}", "locale": "{email}", "client_ip": "{phone}", "return_url": "https://{email}"}}',
        f'["{email}"]',
        f'"{email}"' * 8000,
    ):
        answer = api.session.post(
            f"{stack.url}/v1/challenges", body, headers={"Content-Type": "application/json"}, timeout=10
        )
        assert answer.status_code in (400, 413, 422), answer.text
    for path in (f"/v1/users/{email}/factors?code=135791", f"/{phone}", f"/v1/challenges/{email}/verify"):
        for method in ("GET", "POST", "DELETE", "BREW"):
            api(
                method,
                path,
                {"code": "135791"},
                headers={"X-Request-Id": email, "Idempotency-Key": f"{phone}é".encode()},
            )
    for authorization in ("Bearer key-4711", "Basic key-4711", "key-4711"):
        answer = api("GET", "/v1/ops/mode", headers={"Authorization": authorization})
        assert answer.status_code == 401
    api("POST", "/hooks/twilio", [{"data": {"to": phone}}], headers={"X-Twilio-Signature": "signature-4711"})
    for request in (
        f"GET /{email} HTTP/9.9\r\n\r\n",
        f"{phone} / HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\n{email} {phone}\r\n\r\n",
        f"GET /{email} HTTP/1.1\r\nHost: x\r\nX: {phone * 900}\r\n\r\n",
        f"POST /v1/challenges HTTP/1.1\r\nHost: x\r\nContent-Length: {phone}\r\n\r\n{email}",
        f"POST /v1/challenges HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{phone}\r\n{email}",
    ):
        with socket.create_connection(("127.0.0.1", stack.port), timeout=5) as connection:
            connection.sendall(request.encode())
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65536)
    return {"135791", "key-4711", "signature-4711"}


def broken(stack, person):
    """Records that can't be read, which no handler expects: in a request, and in the worker."""
    client, api = stack.redis(), stack.api
    started = api.start(person.id, phone=person.phone)
    partition = started["id"][3:5]
    record = f"otp:{{{partition}}}:c:{started['id'][3:]}"
    client.set(record, f'{{"id": "{person.phone}", "{person.email}')
    assert api("GET", f"/v1/challenges/{started['id']}").status_code == 500
    assert api.verify(started["id"], "975310").status_code == 500
    client.zadd(f"otp:{{{partition}}}:due", {started["id"]: int(time.time() * 1000)})
    now = int(time.time() * 1000)
    data = json.dumps({"channel": "sms", "sent_at": person.phone, "id": person.email})
    client.xadd(f"otp:{{{partition}}}:outbox", {"type": "challenge.sent", "at": now, "data": data})
    data = json.dumps({"who": person.email})
    client.xadd(f"otp:{{{partition}}}:outbox", {"type": "backup_code.used", "at": now, "data": data})
    for event in ("deadline_failed", "event_unreadable", "listener_failed"):
        wait_until(lambda event=event: event in stack.worker.text())
    client.delete(record)
    return {"975310"}


def imported(stack, person, tmp_path):
    """A file of another system, with lines that are refused; what the command printed."""
    secret = pyotp.random_base32()
    file = tmp_path / "export.csv"
    file.write_text(
        "user,secret,digits\n"
        f"{person.id},{secret},6\n{person.id},{secret}1!,6\n{person.phone},{secret},99\n{'x' * 300}{person.email},,\n"
    )
    printed = ""
    for words in ([], ["--json"]):
        done = otp_fallback(stack.env, "import", file, *words)
        assert done.returncode == 1
        printed += done.stdout + done.stderr
    return {secret}, printed


def test_nothing_is_told_that_should_not_be(stack, people, problems, scrape, tmp_path):
    person = people()
    secrets = busy(stack, person) | {TOKEN} | links(stack, person)
    secrets |= unwell(stack, person)
    secrets |= ill_formed(stack, person)
    secrets |= broken(stack, person)
    more, printed = imported(stack, people(), tmp_path)
    secrets |= more
    places = {
        "web": stack.web.text(),
        "worker": stack.worker.text(),
        "sandbox": stack.sandbox_process.text(),
        "import": printed,
        "metrics": scrape(),
        "problems": "\n".join(problems),
    }
    for event in ("send_failed", "no_channel_left", "unexpected_error", "request"):
        assert f'"event": "{event}"' in places["web"], event
    assert len(problems) > 20
    found = [(where, secret) for where, text in places.items() for secret in secrets if leaks(text, secret)]
    assert found == []

    lines = [json.loads(line) for line in (places["web"] + places["worker"]).splitlines()]
    assert len(lines) > 20
    assert "(left out)" not in json.dumps(lines)  # nothing had to be held back at the last moment
    assert all(line["level"] and line["timestamp"] for line in lines)


def test_every_line_of_a_request_names_it(stack, person):
    unwell(stack, person)
    lines = [json.loads(line) for line in stack.web.text().splitlines()]
    mine = [line["event"] for line in lines if line.get("request_id") == "request-of-the-test"]
    assert mine.count("no_channel_left") >= 1
    assert mine.count("send_failed") >= 2
    of_requests = [line for line in lines if line.get("part") in ("http", "cascade", "web")]
    assert all(line.get("request_id") for line in of_requests)
    others = {line["request_id"] for line in of_requests} - {"request-of-the-test"}
    assert len(others) > 1
