"""The Flask shop in a browser, both ways, on an ordinary day and in an outage."""

import sys

import pytest
import requests

from tests.support.browser import PHONE
from tests.support.stack import ROOT
from tests.support.visitor import Visitor

SHOP = ROOT / "deploy" / "examples" / "flask"
ALICE, PHONE_OF_ALICE, MAIL_OF_ALICE = "alice", "+14155550123", "alice@example.com"


@pytest.fixture
def shop(began):
    return began(SHOP, [sys.executable, str(SHOP), "--port", "{port}"])


@pytest.fixture
def hosted(began):
    return began(SHOP, [sys.executable, str(SHOP), "--hosted", "--port", "{port}"])


@pytest.fixture(autouse=True)
def fresh(stack):
    """Alice has nothing but her contacts."""
    stack.api("DELETE", f"/v1/users/{ALICE}")


def sign_in(page, shop, password="correct horse"):
    page.goto(shop)
    page.locator("input[name=name]").fill("alice")
    page.locator("input[name=password]").fill(password)
    page.get_by_role("button", name="Sign in").click()


def answer(page, code):
    page.locator("input[name=code]").fill(code)
    page.get_by_role("button", name="Sign in").click()


def test_an_ordinary_day(shop, contexts, sandbox):
    page = contexts(**PHONE).new_page()
    sign_in(page, shop, "wrong")
    assert page.get_by_role("alert").inner_text() == "Name or password is wrong."
    sign_in(page, shop)
    answer(page, "000001")
    assert page.get_by_role("alert").inner_text() == "That code is not right."
    answer(page, sandbox.code(PHONE_OF_ALICE))
    assert page.get_by_role("heading").inner_text() == "Welcome, alice"
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_role("heading").inner_text() == "Sign in"


def test_an_outage(shop, contexts, sandbox):
    sandbox.fail("http_500")
    page = contexts(**PHONE).new_page()
    sign_in(page, shop)
    assert "delayed" in page.get_by_role("status").inner_text()
    assert page.get_by_text("Type the code that we sent you by e-mail").is_visible()
    answer(page, sandbox.code(MAIL_OF_ALICE, "email"))
    assert page.get_by_role("heading").inner_text() == "Welcome, alice"


def test_an_outage_for_somebody_with_an_app(shop, contexts, sandbox, api):
    app, _ = api.enroll(ALICE)
    sandbox.fail("http_500")
    page = contexts(**PHONE).new_page()
    sign_in(page, shop)
    assert page.get_by_text("authenticator app shows").is_visible()
    answer(page, app.now())
    assert page.get_by_role("heading").inner_text() == "Welcome, alice"


def test_another_way_by_choice(shop, contexts, sandbox):
    page = contexts(**PHONE).new_page()
    sign_in(page, shop)
    page.get_by_role("button", name="email instead").click()
    answer(page, sandbox.code(MAIL_OF_ALICE, "email"))
    assert page.get_by_role("heading").inner_text() == "Welcome, alice"


def test_hosted_in_an_outage(hosted, contexts, sandbox, stack):
    sandbox.fail("http_500")
    page = contexts(**PHONE).new_page()
    sign_in(page, hosted)
    page.wait_for_url(f"{stack.url}/c/**")
    page.locator("#code").press_sequentially(sandbox.code(MAIL_OF_ALICE, "email"))
    page.wait_for_url(f"{hosted}/")
    assert page.get_by_role("heading").inner_text() == "Welcome, alice"


def test_hosted_with_an_app(hosted, contexts, sandbox, stack, api):
    app, _ = api.enroll(ALICE)
    sandbox.fail("not_delivered", operation="send")
    page = contexts(**PHONE).new_page()
    sign_in(page, hosted)
    page.wait_for_url(f"{stack.url}/c/**")
    page.locator("button[value=totp]").click()
    page.wait_for_selector(".prompt[data-channel=totp]")
    page.locator("#code").press_sequentially(app.now())
    page.wait_for_url(f"{hosted}/")
    assert page.get_by_role("heading").inner_text() == "Welcome, alice"


def test_who_is_sent_the_way_back_is_not_let_in(hosted, api, stack, sandbox):
    """Mallory answers her own challenge and sends the way back to somebody, or makes a proof up."""
    app, _ = api.enroll("mallory")
    challenge = api.start("mallory")
    proof = api.verify(challenge["id"], app.now()).json()["proof"]
    way = {"challenge_id": challenge["id"], "status": "approved", "proof": proof}
    answer_to = requests.get(f"{hosted}/login/done", params=way, timeout=10)
    assert "Please sign in again." in answer_to.text
    victim = requests.Session()
    begun = victim.post(
        f"{hosted}/login",
        data={"name": "alice", "password": "correct horse"},
        allow_redirects=False,
        timeout=10,
    )
    assert begun.headers["Location"].startswith(f"{stack.url}/c/")
    assert "Please sign in again." in victim.get(f"{hosted}/login/done", params=way, timeout=10).text
    for made_up in (proof, "a.b.c", ""):
        session = requests.Session()
        session.post(
            f"{hosted}/login",
            data={"name": "alice", "password": "correct horse"},
            allow_redirects=False,
            timeout=10,
        )
        newest = max(stack.events(), key=lambda e: e.get("at", 0) if e["type"] == "challenge.created" else -1)
        own = {"challenge_id": newest["id"], "status": "approved", "proof": made_up}
        told = session.get(f"{hosted}/login/done", params=own, timeout=10).text
        assert "Welcome" not in told
        assert "You are not signed in." in told or "Please sign in again." in told


def test_without_the_service_nobody_gets_in(began, stack, shop):
    visitor = Visitor(shop)
    visitor.open(shop)
    stack.web.kill()
    try:
        visitor.send("login", name="alice", password="correct horse")
        assert "does not work at this moment" in visitor.text
    finally:
        stack.start_web()
