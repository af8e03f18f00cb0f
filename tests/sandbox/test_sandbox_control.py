"""The control API, the inbox page, who may use them, and the life of the process."""

import signal
import smtplib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests


def test_messages_are_filtered_and_newest_first(sandbox):
    for n in range(3):
        sandbox.send(f"+1415557000{n}")
    sandbox.send("+14155570000", "whatsapp")
    everything = sandbox.messages()
    assert [message["id"] for message in everything] == sorted((m["id"] for m in everything), reverse=True)
    assert len(sandbox.messages(to="+14155570000")) == 2
    assert len(sandbox.messages(to="+14155570000", channel="sms")) == 1
    assert sandbox.messages(after=everything[1]["id"]) == everything[:1]
    assert sandbox.messages(limit=2) == everything[:2]
    unescaped = sandbox.session.get(f"{sandbox.url}/sandbox/messages?to=+14155570001", timeout=5).json()
    assert len(unescaped["messages"]) == 1
    assert set(everything[0]) == {
        "id", "channel", "to", "from", "subject", "text", "html", "headers", "code", "created_at",
    }  # fmt: skip


@pytest.mark.parametrize("channel", ["sms", "email"])
def test_a_long_poll_ends_with_the_message(sandbox, channel):
    sandbox.send("+14155570003")
    after = sandbox.messages()[0]["id"]
    to = "+14155570004" if channel == "sms" else "ann@example.com"
    query = {"to": to, "after": after, "wait": 8}
    start = time.monotonic()
    with ThreadPoolExecutor() as pool:
        url = f"{sandbox.url}/sandbox/messages"
        poll = pool.submit(lambda: requests.get(url, params=query, timeout=9).json()["messages"])
        sandbox.send("+14155570005")
        if channel == "sms":
            sandbox.send(to)
        else:
            sandbox.mail()
        assert [message["to"] for message in poll.result()] == [to]
    assert time.monotonic() - start < 9


def test_a_long_poll_ends_with_its_time(sandbox):
    start = time.monotonic()
    assert sandbox.messages(wait=0.3) == []
    assert time.monotonic() - start >= 0.3


def test_requests_are_counted_from_the_last_reset(sandbox):
    assert all(sandbox.counts()[name]["total"] == 0 for name in ("send", "check", "update", "fetch", "mail"))
    sent = sandbox.send("+14155570006")
    sandbox.verify().verifications(sent.sid).fetch()
    assert sandbox.counts()["fetch"] == {"total": 1, "ok": 1, "failed": 0}
    sandbox.control("DELETE", "requests")
    assert sandbox.counts()["fetch"]["total"] == 0


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example:80", "["])
@pytest.mark.parametrize("path", ["/", "/sandbox/messages", "/inbox/messages"])
def test_a_rebound_host_is_refused(sandbox, host, path):
    answer = requests.get(sandbox.url + path, headers={"Host": host}, timeout=5)
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.9", "[::1]:99"])
def test_loopback_hosts_are_served(sandbox, host):
    assert requests.get(sandbox.url + "/sandbox/messages", headers={"Host": host}, timeout=5).ok


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
@pytest.mark.parametrize("path", ["/sandbox/failures", "/inbox/failures", "/inbox/messages/clear"])
def test_a_change_from_another_site_is_refused(sandbox, headers, path):
    answer = requests.post(sandbox.url + path, data='{"kind": "hang"}', headers=headers, timeout=5)
    assert answer.status_code == 403
    assert sandbox.control("GET", "failures").json() == {"failures": []}


def test_the_inbox_page(sandbox):
    sandbox.send("+14155570007", custom_friendly_name="<script>alert(1)</script>")
    sandbox.mail()
    answer = requests.get(sandbox.url + "/", timeout=5)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "Development only" in answer.text
    assert "<script>alert" not in answer.text
    assert f"<mark>{sandbox.code('+14155570007')}</mark>" in answer.text
    assert "<iframe sandbox " in answer.text
    (mail,) = sandbox.messages(channel="email")
    framed = requests.get(f"{sandbox.url}/inbox/mail/{mail['id']}", timeout=5)
    assert framed.text == mail["html"]
    assert framed.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    for name in ("inbox.css", "inbox.js", "icon.svg"):
        assert requests.get(f"{sandbox.url}/inbox/assets/{name}", timeout=5).ok
    assert requests.get(f"{sandbox.url}/inbox/assets/page.html", timeout=5).status_code == 404


def test_the_inbox_page_without_javascript(sandbox):
    form = {"kind": "http_500", "operation": "", "country": "+91", "channel": "", "share": "0.5", "delay": ""}
    answer = requests.post(sandbox.url + "/inbox/failures", data=form, timeout=5)
    assert answer.url == sandbox.url + "/"
    (rule,) = sandbox.control("GET", "failures").json()["failures"]
    assert (rule["operation"], rule["country"], rule["share"]) == ("send", "+91", 0.5)
    assert "50 % of requests" in answer.text
    wrong = requests.post(sandbox.url + "/inbox/failures", data={"kind": "slow", "delay": "x"}, timeout=5)
    assert wrong.status_code == 422
    assert "delay: a number" in wrong.text
    requests.post(sandbox.url + "/inbox/failures/remove", data={"id": rule["id"]}, timeout=5)
    assert sandbox.control("GET", "failures").json() == {"failures": []}
    sandbox.send("+14155570008")
    requests.post(sandbox.url + "/inbox/messages/clear", timeout=5)
    assert sandbox.messages() == []


def test_the_page_is_told_of_new_messages(sandbox):
    sandbox.send("+14155570009")
    newest = sandbox.messages()[0]["id"]
    answer = requests.get(f"{sandbox.url}/inbox/messages", params={"after": newest - 1}, timeout=5)
    assert answer.headers["X-Newest"] == str(newest)
    assert answer.text.count("<li") == 1


def test_everything_survives_kill_9(own_sandbox):
    to = "+14155570010"
    sent = own_sandbox.send(to)
    own_sandbox.fail("http_500", operation="update")
    message = own_sandbox.messages()
    own_sandbox.stop(signal.SIGKILL)
    with pytest.raises(requests.ConnectionError):
        own_sandbox.send(to)
    own_sandbox.start()
    assert own_sandbox.messages() == message
    assert [r["kind"] for r in own_sandbox.control("GET", "failures").json()["failures"]] == ["http_500"]
    again = own_sandbox.send(to)
    assert (again.sid, len(again.send_code_attempts)) == (sent.sid, 2)
    assert own_sandbox.check(message[0]["code"], to=to).valid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_when_asked_though_requests_hang(own_sandbox, number):
    own_sandbox.fail("hang")
    own_sandbox.fail("mail_hang")
    hung = [own_sandbox.raw() for _ in range(20)]
    mail = smtplib.SMTP("127.0.0.1", own_sandbox.smtp, timeout=5)
    mail.ehlo()
    while own_sandbox.counts()["send"]["total"] < 20:
        pass
    start = time.monotonic()
    assert own_sandbox.stop(number) == 0
    assert time.monotonic() - start < 10
    for connection in [*hung, mail]:
        connection.close()
