"""The mail sink, through smtplib."""

import smtplib
import socket
import threading

import pytest


def test_a_mail_arrives_in_the_inbox(sandbox):
    sandbox.mail(**{"X-Tag": "7"})
    (mail,) = sandbox.messages(to="Ann@Example.com")
    assert (mail["channel"], mail["to"], mail["subject"]) == ("email", "ann@example.com", "Your code")
    assert mail["from"] == "Login <login@example.com>"
    assert (mail["text"], mail["code"]) == ("Your code is 271828.\n", "271828")
    assert "<b>271828</b>" in mail["html"]
    assert mail["headers"]["X-Tag"] == "7"
    assert sandbox.counts()["mail"] == {"total": 1, "ok": 1, "failed": 0}


def test_addresses_and_subjects_beyond_ascii(sandbox):
    sandbox.mail(To="zoë@exämple.com", Subject="Ihr Schlüssel: 314159")
    (mail,) = sandbox.messages(to="zoë@exämple.com")
    assert (mail["subject"], mail["code"]) == ("Ihr Schlüssel: 314159", "314159")


def test_every_recipient_gets_a_message(sandbox):
    sandbox.mail(to_addrs=["a@example.com", "b@example.com"])
    assert {mail["to"] for mail in sandbox.messages()} == {"a@example.com", "b@example.com"}


def test_a_mail_in_an_unknown_character_set(sandbox):
    raw = b"To: ann@example.com\r\nContent-Type: text/plain; charset=klingon\r\n\r\ncode 271828\r\n"
    with smtplib.SMTP("127.0.0.1", sandbox.smtp, timeout=5) as server:
        server.sendmail("login@example.com", ["ann@example.com"], raw)
    assert sandbox.code("ann@example.com") == "271828"


def test_451(sandbox):
    sandbox.fail("mail_451")
    with pytest.raises(smtplib.SMTPDataError) as caught:
        sandbox.mail()
    assert caught.value.smtp_code == 451
    assert sandbox.messages() == []
    assert sandbox.counts()["mail"] == {"total": 1, "ok": 0, "failed": 1}


def test_550(sandbox):
    sandbox.fail("mail_550")
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        sandbox.mail()
    assert caught.value.recipients["ann@example.com"][0] == 550
    assert sandbox.messages() == []


def test_hang_until_the_client_gives_up(sandbox):
    sandbox.fail("mail_hang")
    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        sandbox.mail(timeout=0.3)
    sandbox.control("DELETE", "failures")
    sandbox.mail()
    assert len(sandbox.messages()) == 1


def test_hang_until_the_rule_is_lifted(sandbox):
    sandbox.fail("mail_hang")
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            sandbox.mail()
        except (OSError, smtplib.SMTPException) as error:
            ended.append(error)

    sender = threading.Thread(target=wait)
    sender.start()
    while not sandbox.counts()["mail"]["failed"]:
        pass
    sandbox.control("DELETE", "failures")
    sender.join(3)
    assert isinstance(ended[0], smtplib.SMTPServerDisconnected | ConnectionResetError)
    assert sandbox.messages() == []


def test_slow(sandbox):
    sandbox.fail("mail_slow", delay=0.3)
    with pytest.raises((socket.timeout, smtplib.SMTPServerDisconnected)):
        sandbox.mail(timeout=0.1)
    sandbox.mail(timeout=2)
    assert sandbox.code("ann@example.com") == "271828"


def test_rules_for_the_api_leave_mail_alone(sandbox):
    sandbox.fail("http_500", operation="all")
    sandbox.mail()
    assert len(sandbox.messages()) == 1
