"""Answering a challenge on our page, through an outage."""

import re
import time

import pytest

from tests.support.browser import PHONE
from tests.support.commands import otp_fallback
from tests.support.visitor import Visitor


@pytest.fixture
def begin(api, person, shop):
    def start(**fields):
        given = {"phone": person.phone, "email": person.email, "return_url": shop.back, "locale": "en"}
        return api.start(person.id, **{**given, **fields})

    return start


def test_a_code_by_sms_and_back_with_the_proof(stack, page, begin, sandbox, person, shop, api):
    challenge = begin()
    page.goto(challenge["challenge_url"])
    assert "+1415***" in page.locator("#prompt").inner_text()
    assert person.phone not in page.content()
    page.locator("#code").press_sequentially(sandbox.code(person.phone))
    page.wait_for_url(f"{shop.back}**")
    _, query, headers = shop.visits[-1]
    assert query["challenge_id"] == challenge["id"]
    assert query["status"] == "approved"
    assert query["proof"] == api.get(challenge["id"])["proof"]
    assert "Referer" not in headers
    page.goto(challenge["challenge_url"])  # again, in this browser: it is over, so back once more
    page.wait_for_url(f"{shop.back}**")


def test_it_follows_a_switch_made_elsewhere(page, begin, person, shop, api):
    app, _ = api.enroll(person.id)
    challenge = begin()
    page.goto(challenge["challenge_url"])
    assert "text message" in page.locator("#prompt").inner_text()
    page.locator("#code").press_sequentially("12")
    page.locator("#code").press("ControlOrMeta+a")
    switched = api("POST", f"/v1/challenges/{challenge['id']}/switch", {"channel": "email"})
    assert switched.status_code == 200
    page.wait_for_selector(".prompt[data-channel=email]")
    assert "by e-mail" in page.locator("#prompt").inner_text()
    assert page.locator("#code").input_value() == "12"  # what was typed stays
    assert page.locator("#code").evaluate("field => field === document.activeElement")
    page.keyboard.press("Delete")  # and what was selected of it
    assert page.locator("#code").input_value() == ""
    page.locator("#code").press_sequentially(app.now())
    page.wait_for_url(f"{shop.back}**")
    assert shop.visits[-1][1]["status"] == "approved"


def test_an_outage_at_the_start_is_explained(page, begin, sandbox, person, api, shop):
    app, _ = api.enroll(person.id)
    sandbox.fail("http_500")
    challenge = begin()
    assert challenge["channel"] == "totp"
    page.goto(challenge["challenge_url"])
    assert page.get_by_role("status").inner_text() == "Text messages are delayed right now."
    assert "authenticator app" in page.locator("#prompt").inner_text()
    page.locator("#code").press_sequentially(app.now())
    page.wait_for_url(f"{shop.back}**")


def test_another_way_and_a_backup_code(page, begin, api, person, shop, sandbox):
    _, codes = api.enroll(person.id)
    challenge = begin()
    page.goto(challenge["challenge_url"])
    assert page.locator("button.way").all_inner_texts() == [
        "Authenticator app",
        f"\u2066{''}E-mail".lstrip("\u2066") + f" to \u2066{challenge['channels'][2]['to']}\u2069",
        "Backup code",
    ]
    page.get_by_role("button", name="Backup code").click()
    page.wait_for_selector("input.long")
    assert "backup codes that you saved" in page.locator("#prompt").inner_text()
    page.locator("#code").fill(codes[0].lower().replace("-", " "))
    page.keyboard.press("Enter")
    page.wait_for_url(f"{shop.back}**")
    assert api.get(challenge["id"])["approved_by"] == "backup_code"


def test_by_e_mail(page, begin, person, sandbox, shop):
    page.goto(begin()["challenge_url"])
    page.get_by_role("button", name="E-mail").click()
    page.wait_for_selector(".prompt[data-channel=email]")
    page.locator("#code").press_sequentially(sandbox.code(person.email, "email"))
    page.wait_for_url(f"{shop.back}**")


def test_sending_again_waits_its_turn(contexts, begin, api, stack):
    challenge = begin()
    page = contexts(**PHONE).new_page()
    page.clock.install()
    page.goto(challenge["challenge_url"])
    again = page.locator(".resend button")
    assert again.is_disabled()
    assert re.fullmatch(r"Send again in (30|29|28) s", again.inner_text())
    page.clock.fast_forward(31_000)
    page.wait_for_selector(".resend button:enabled")
    assert again.inner_text() == "Send again"
    again.click()  # by the server's clock it is too soon
    assert "Please wait a little" in page.get_by_role("alert").inner_text()


def test_wrong_codes_are_counted_and_the_last_one_locks(stack, begin, api):
    challenge = begin(phone=None, email="zoe@mail.example")
    visitor = Visitor(stack.url).open(challenge["challenge_url"])
    for left in (4, 3, 2, 1):
        text = visitor.send("verify", code="000001").text
        assert f"That code is not right. {left} tr{'y is' if left == 1 else 'ies are'} left." in text
    assert "Too many wrong codes" in visitor.send("verify", code="000001").text
    assert visitor.actions == ["leave"]


def test_reloading_counts_no_attempt(stack, begin, api):
    challenge = begin()
    visitor = Visitor(stack.url).open(challenge["challenge_url"])
    visitor.send("verify", code="000001")
    for _ in range(3):
        visitor.open(visitor.answer.url)
    assert api.get(challenge["id"])["attempts_remaining"] == 4


def test_without_javascript(stack, begin, sandbox, person, api, shop):
    api.enroll(person.id)
    challenge = begin()
    visitor = Visitor(stack.url).open(challenge["challenge_url"])
    assert "We sent a code by text message" in visitor.text
    assert visitor.choices("channel") == ["totp", "email", "backup_code"]
    assert "Please wait a little" in visitor.send("resend").text
    visitor.send("switch", channel="email")
    assert "We sent a code by e-mail" in visitor.text
    assert "That code is not right" in visitor.send("verify", code="").text
    visitor.send("verify", code=sandbox.code(person.email, "email"))
    assert shop.visits[-1][1]["status"] == "approved"
    assert api.get(challenge["id"])["approved_by"] == "email"


def test_a_channel_that_is_none_changes_nothing(stack, begin, api):
    challenge = begin()
    visitor = Visitor(stack.url).open(challenge["challenge_url"])
    for channel in ("nonsense", "", "voice"):
        assert visitor.send("switch", channel=channel).answer.status_code == 200
    assert api.get(challenge["id"])["channel"] == "sms"


def test_giving_up(page, begin, shop, api):
    challenge = begin()
    page.goto(challenge["challenge_url"])
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("heading", name="Canceled").wait_for()
    page.get_by_role("button", name="Back to Shop").click()
    page.wait_for_url(f"{shop.back}**")
    assert shop.visits[-1][1] == {"challenge_id": challenge["id"], "status": "canceled"}


def test_an_end_elsewhere_is_followed(page, begin, api, sandbox, person, shop):
    challenge = begin()
    page.goto(challenge["challenge_url"])
    api("POST", f"/v1/challenges/{challenge['id']}/cancel", {})
    page.get_by_role("heading", name="Canceled").wait_for()
    challenge = begin()
    page.goto(challenge["challenge_url"])
    assert api.verify(challenge["id"], sandbox.code(person.phone)).json()["valid"]
    page.wait_for_url(f"{shop.back}**")


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_the_application_is_visited_once_and_may_send_its_user_on(
    page, begin, sandbox, person, shop, seconds
):
    """A policy that held the form's redirects would strand the user here, and a proof is good once."""
    challenge = begin(return_url=shop.bounce)
    page.goto(challenge["challenge_url"])
    code = sandbox.code(person.phone)
    before, shop.slowness = len(shop.visits), seconds
    try:
        page.locator("#code").press_sequentially(code)
        page.wait_for_url("http://localhost:*/elsewhere")
    finally:
        shop.slowness = 0.0
    assert [path for path, _, _ in shop.visits[before:]] == ["/shop/bounce"]


def test_giving_up_may_lead_elsewhere_too(page, begin, shop):
    page.goto(begin(return_url=shop.bounce)["challenge_url"])
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Back to Shop").click()
    page.wait_for_url("http://localhost:*/elsewhere")


def test_a_backup_code_at_the_prompt_for_another(page, begin, api, person, shop):
    _, codes = api.enroll(person.id)
    challenge = begin()
    page.goto(challenge["challenge_url"])
    page.locator("#code").press_sequentially(codes[0])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{shop.back}**")
    assert api.get(challenge["id"])["approved_by"] == "backup_code"


def test_a_code_pasted_with_its_sentence(page, begin, sandbox, person, shop):
    page.goto(begin()["challenge_url"])
    code = sandbox.code(person.phone)
    page.locator("#code").fill(f"Your code is {code}. It is valid for 10 minutes.")
    page.wait_for_url(f"{shop.back}**")


def test_a_longer_code_of_an_imported_app(stack, page, begin, person, shop):

    import pyotp

    secret = pyotp.random_base32()
    text = f"user,secret,digits\n{person.id},{secret},8\n"
    otp_fallback(stack.env, "import", "-", text=text, check=True)
    page.goto(begin()["challenge_url"])
    page.locator("#code").press_sequentially(pyotp.TOTP(secret, digits=8).now(), delay=20)
    assert page.locator("#code").input_value().isdigit()
    page.keyboard.press("Enter")
    page.wait_for_url(f"{shop.back}**")


def test_a_strangers_answer_does_not_end_the_following(page, begin, api):
    challenge = begin()
    strangers = iter([True])
    page.route(
        "**/changes**",
        lambda route: (
            route.fulfill(body="<html>Log in to this network</html>", content_type="text/html")
            if next(strangers, False)
            else route.continue_()
        ),
    )
    page.goto(challenge["challenge_url"])
    api("POST", f"/v1/challenges/{challenge['id']}/cancel", {})
    page.get_by_role("heading", name="Canceled").wait_for()


@pytest.mark.parametrize("action", ["verify", "resend", "switch", "cancel", "leave"])
def test_the_address_of_a_form_leads_to_its_page(stack, begin, action):
    visitor = Visitor(stack.url).open(begin()["challenge_url"])
    here = visitor.answer.url
    assert visitor.open(f"{here}/{action}").answer.url == here
    assert "We sent a code" in visitor.text


# Failures of the provider come last: enough of them open its route for whoever comes after.


def test_nobody_can_be_reached(stack, begin, sandbox, person):
    sandbox.fail("http_500")
    challenge = begin(email=None)
    assert challenge["status"] == "failed"
    text = Visitor(stack.url).open(challenge["challenge_url"]).text
    assert "We can't reach you" in text
    assert "contact support" in text


def test_no_page_without_a_return_url(api, person):
    assert "challenge_url" not in api.start(person.id, phone=person.phone)


def test_a_change_is_shown_at_once_and_no_change_is_held(stack, begin, api):
    challenge = begin()
    visitor = Visitor(stack.url).open(challenge["challenge_url"])
    mark = re.search(r'data-mark="([^"]+)"', visitor.answer.text)[1]
    old = visitor.session.get(f"{visitor.answer.url}/changes", params={"mark": "0-pending"}, timeout=5)
    assert old.status_code == 200
    assert f'data-mark="{mark}"' in old.text
    assert "<html" not in old.text
    started = time.monotonic()
    with pytest.raises(Exception, match="timed out"):
        visitor.session.get(f"{visitor.answer.url}/changes", params={"mark": mark}, timeout=1)
    assert time.monotonic() - started >= 1


def test_two_challenges_in_one_browser(stack, begin):
    one, two = begin(), begin()
    visitor = Visitor(stack.url).open(one["challenge_url"])
    first = visitor.answer.url
    visitor.open(two["challenge_url"])
    assert visitor.open(first).answer.status_code == 200


@pytest.mark.parametrize("language", ["de", "ar", "ja"])
def test_languages(stack, begin, api, person, sandbox, language):
    api.enroll(person.id)
    sandbox.fail("http_500")
    html = Visitor(stack.url).open(begin(locale=language)["challenge_url"]).answer.text
    assert f'lang="{language}"' in html
    for english in ("Confirm that it is you", "Text messages", "Another way", "Continue", "Cancel"):
        assert english not in html
