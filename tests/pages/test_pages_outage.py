"""A silent outage begins while users look at the page: it moves on by itself, and says why."""

import pytest

from tests.support.browser import DESKTOP, PHONE


@pytest.fixture(scope="module")
def options(shop) -> dict:
    return {"worker_process": True, "OTP_RETURN_URLS": shop.url, "OTP_DELIVERY_DEADLINE": "2"}


@pytest.mark.parametrize("window", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_worker(contexts, api, sandbox, person, shop, window, scheme):
    sandbox.fail("not_delivered", operation="send")
    challenge = api.start(
        person.id, phone=person.phone, email=person.email, return_url=shop.back, locale="en"
    )
    assert challenge["channel"] == "sms"
    page = contexts(**window, color_scheme=scheme).new_page()
    page.goto(challenge["challenge_url"])
    if page.locator(".prompt[data-channel=sms]").count():
        page.locator("#code").press_sequentially("9")
    page.wait_for_selector(".prompt[data-channel=email]")  # nobody asked for it
    assert page.get_by_role("status").inner_text() == "The text message seems to take longer than usual."
    page.locator("#code").fill("")
    page.locator("#code").press_sequentially(sandbox.code(person.email, "email"))
    page.wait_for_url(f"{shop.back}**")
    assert shop.visits[-1][1]["status"] == "approved"
    assert api.get(challenge["id"])["switches"][0]["reason"] == "not_delivered"


def test_to_the_app_when_the_user_has_one(contexts, api, sandbox, person, shop):
    app, _ = api.enroll(person.id)
    sandbox.fail("http_500")
    page = contexts(**PHONE).new_page()
    challenge = api.start(person.id, phone=person.phone, return_url=shop.back, locale="en")
    page.goto(challenge["challenge_url"])
    assert page.get_by_role("status").inner_text() == "Text messages are delayed right now."
    assert page.locator("button.way").all_inner_texts()[-1] == "Backup code"
    page.locator("#code").press_sequentially(app.now())
    page.wait_for_url(f"{shop.back}**")
