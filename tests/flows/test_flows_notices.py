"""Users hear of changes in how they sign in, at an address that they had before."""

import email
import email.policy
import re
import time
from html.parser import HTMLParser

import pyotp
import pytest

from service import i18n
from tests.support.stack import wait_until


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True, "OTP_DELIVERY_DEADLINE": "600"}


@pytest.fixture
def owner(api, person):
    """Somebody whose address is known."""
    put = api("PUT", f"/v1/users/{person.id}/contacts", {"phone": person.phone, "email": person.email})
    assert put.status_code == 200
    return person


def letters(sandbox, address, number=1):
    """What arrived, oldest first, once it is that many."""
    wait_until(lambda: len(sandbox.messages(to=address, channel="email")) >= number)
    return sandbox.messages(to=address, channel="email")[::-1]


def subjects(sandbox, address, number=1):
    return [letter["subject"] for letter in letters(sandbox, address, number)]


def test_every_change_of_factors(api, sandbox, owner):
    _, codes = api.enroll(owner.id)
    assert subjects(sandbox, owner.email) == ["Shop: An authenticator app was added"]
    assert api.verify(api.start(owner.id, channels=["totp", "backup_code"])["id"], codes[0]).json()["valid"]
    used = letters(sandbox, owner.email, 2)[1]
    assert used["subject"] == "Shop: A backup code was used"
    assert "9 codes are left." in used["text"]
    api("POST", f"/v1/users/{owner.id}/backup-codes", {})
    assert subjects(sandbox, owner.email, 3)[2] == "Shop: New backup codes were made"
    factor = api("GET", f"/v1/users/{owner.id}/factors").json()["factors"][0]["id"]
    api("DELETE", f"/v1/users/{owner.id}/factors/{factor}")
    assert subjects(sandbox, owner.email, 4)[3] == "Shop: An authenticator app was removed"


def test_a_new_address_is_told_to_the_former_one(api, sandbox, owner):
    path = f"/v1/users/{owner.id}/contacts"
    api("PUT", path, {"email": f"new-{owner.email}"})
    assert subjects(sandbox, owner.email) == ["Shop: Your e-mail address was changed"]
    assert f"new-{owner.email}" not in letters(sandbox, owner.email)[0]["text"]
    api("PUT", path, {"phone": "+14155559999", "email": None})
    told = subjects(sandbox, f"new-{owner.email}", 2)
    assert sorted(told) == ["Shop: Your e-mail address was changed", "Shop: Your phone number was changed"]


def test_who_takes_over_an_account_cannot_have_the_letters_sent_elsewhere(api, sandbox, owner, stack):
    stack.worker.kill()  # so that all of it is over before the first letter is written
    api.enroll(owner.id)
    api("PUT", f"/v1/users/{owner.id}/contacts", {"email": f"thief-{owner.email}"})
    api("DELETE", f"/v1/users/{owner.id}")
    stack.worker.start()
    assert sorted(subjects(sandbox, owner.email, 2)) == [
        "Shop: An authenticator app was added",
        "Shop: Your e-mail address was changed",
    ]
    assert subjects(sandbox, f"thief-{owner.email}") == ["Shop: Your ways to sign in were removed"]


def test_what_is_no_change_is_not_told(api, sandbox, owner, stack):
    path = f"/v1/users/{owner.id}/contacts"
    api("PUT", path, {"phone": owner.phone, "email": owner.email})
    api("PUT", path, {"phone": "+14155559998"})
    assert subjects(sandbox, owner.email) == ["Shop: Your phone number was changed"]


def test_a_user_who_is_removed_is_told(api, sandbox, owner):
    api.enroll(owner.id)
    letters(sandbox, owner.email)
    api("DELETE", f"/v1/users/{owner.id}")
    assert subjects(sandbox, owner.email, 2)[1] == "Shop: Your ways to sign in were removed"


def test_nobody_to_tell(api, sandbox, person, stack):
    api.enroll(person.id)
    api("DELETE", f"/v1/users/{person.id}")
    wait_until(lambda: stack.redis().zcard("otp:{health}:notices") == 0)
    assert sandbox.messages(channel="email") == []


def test_in_the_users_language(api, sandbox, owner):
    begun = api("POST", "/v1/enrollments", {"user_id": owner.id, "locale": "de-AT"}).json()
    code = pyotp.TOTP(begun["secret"]).now()
    assert api("POST", f"/v1/enrollments/{begun['id']}/confirm", {"code": code}).status_code == 200
    letter = letters(sandbox, owner.email)[0]
    assert letter["subject"] == "Shop: Eine Authenticator-App wurde hinzugefügt"
    assert "Wenn Sie es nicht waren" in letter["text"]
    api("PUT", f"/v1/users/{owner.id}/contacts", {"locale": "ja"})
    api("POST", f"/v1/users/{owner.id}/backup-codes", {})
    assert subjects(sandbox, owner.email, 2)[1] == "Shop: 新しいバックアップコードが作成されました"


def test_what_the_mail_server_does_not_take_is_sent_later(api, sandbox, owner, stack):
    sandbox.fail("mail_451")
    api.enroll(owner.id)
    key = "otp:{health}:notices"
    wait_until(lambda: "notice_not_sent" in stack.worker.text())
    ((member, due),) = stack.redis().zrange(key, 0, -1, withscores=True)
    assert due > time.time() * 1000  # taken for a minute
    sandbox.heal()
    stack.redis().zadd(key, {member: 0})
    assert subjects(sandbox, owner.email) == ["Shop: An authenticator app was added"]
    wait_until(lambda: stack.redis().zcard(key) == 0)


def test_a_user_is_not_flooded(api, sandbox, owner, stack):
    for _ in range(13):
        api("POST", f"/v1/users/{owner.id}/backup-codes", {})
    wait_until(lambda: stack.worker.text().count("notice_suppressed") == 3)
    assert len(letters(sandbox, owner.email, 10)) == 10
    wait_until(lambda: stack.redis().zcard("otp:{health}:notices") == 0)
    assert len(letters(sandbox, owner.email)) == 10


def test_a_worker_that_dies_loses_no_notice(api, sandbox, owner, stack):
    stack.worker.kill()
    api.enroll(owner.id)
    stack.worker.start()
    assert subjects(sandbox, owner.email) == ["Shop: An authenticator app was added"]


class _Shown(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("locale", i18n.LOCALES)
@pytest.mark.parametrize("about", ["code", "change"])
def test_letters_are_well_made(locale, about):
    from service.channels.base import SendJob
    from service.channels.email.change import ChangeNotices
    from service.channels.email.code import Email
    from service.channels.email.letters import Letters
    from service.channels.email.mailboxes import Mailboxes
    from service.domain.challenge import Subject
    from service.domain.contacts import Email as Address
    from service.store.limits import LimitStore

    taken = []

    class Mailer:
        def send(self, message, *, deadline):
            taken.append(message)

    letters_ = Letters(mail_from="Shop <login@shop.example>", issuer='A & B <"Shop">')
    now = 1_790_000_000_000
    if about == "code":
        subject = Subject("zoe", email=Address("zoe@x.example"), client_ip="203.0.113.7")
        job = SendJob("ch_1", "default", subject, locale, 3.0, now, now + 600_000)
        unlimited = Mailboxes(LimitStore(None), str, each=None, total=None)
        Email(Mailer(), letters_, unlimited, codes_key=b"k" * 32).send(job)
    else:
        ChangeNotices(Mailer(), letters_).send(
            "backup_code.used", Address("zoe@x.example"), locale, at=now, now=now, codes_left=2
        )
    # As it goes over the wire, read back by a parser.
    message = email.message_from_bytes(taken[0].as_bytes(), policy=email.policy.default)
    assert message["To"] == "zoe@x.example"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] is None
    assert message["Content-Language"] == locale
    assert message["Message-ID"].endswith("@shop.example>")
    assert 'A & B <"Shop">' in message["Subject"]
    plain = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    if about == "code":
        code = re.match(r"\d{6}", plain)[0]
        assert message["Subject"].startswith(code) or locale in ("ar", "ja")
        assert code in message["Subject"]
        assert "203.0.113.7" in plain
    assert 'A & B <"Shop">' in plain
    shown = _Shown()
    shown.feed(html)
    assert 'A & B <"Shop">' in "".join(shown.text)
    assert ("html", {"lang": locale, "dir": "rtl" if locale == "ar" else "ltr"}) in shown.tags
    assert not {tag for tag, _ in shown.tags} & {"img", "script", "link", "a", "form", "iframe"}
    # Readable on whatever ground the mail program has: no colour of text or ground is set.
    styles = " ".join(attrs.get("style", "") for _, attrs in shown.tags)
    assert not re.search(r"(?<!-)\b(color|background)\b\s*:", styles)
    for sentence in (line for line in plain.splitlines() if len(line) > 20):
        assert all(part in "".join(shown.text) for part in sentence.split(". ")[:1]), sentence
    if locale != "en":
        english = ("It was done", "If it was", "A backup code", "Your code", "It works once", "Asked for")
        assert not any(words in plain + html for words in english)


def test_notices_can_be_switched_off(people):
    from tests.support.stack import running

    person = people()
    with running(worker_process=True, OTP_CHANGE_NOTICES="false") as stack:
        stack.api("PUT", f"/v1/users/{person.id}/contacts", {"email": person.email})
        stack.api.enroll(person.id)
        challenge = stack.api.start(person.id, channels=["email"])
        assert challenge["status"] == "pending"
        stack.sandbox.code(person.email, "email")  # mail goes out, and the worker is at work
        assert len(stack.sandbox.messages(to=person.email, channel="email")) == 1
        assert stack.redis().zcard("otp:{health}:notices") == 0
