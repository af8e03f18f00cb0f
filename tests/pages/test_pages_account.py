"""A user manages factors."""

import pyotp
import pytest

from tests.support.commands import otp_fallback
from tests.support.visitor import Visitor


@pytest.fixture
def open_account(stack, api, person, shop):
    def go(language="en", **fields):
        link = api("POST", f"/v1/users/{person.id}/link", {"return_url": shop.back, **fields})
        assert link.status_code == 201, link.text
        return Visitor(stack.url, language).open(link.json()["account_url"])

    return go


def factors(api, person):
    return api("GET", f"/v1/users/{person.id}/factors").json()


def test_somebody_with_nothing(open_account):
    visitor = open_account()
    assert "You have none. With one you can sign in even when text messages do not arrive." in visitor.text
    assert "add" in visitor.actions


def test_what_is_there(open_account, api, person):
    app, _ = api.enroll(person.id)
    api("PUT", f"/v1/users/{person.id}/contacts", {"phone": person.phone, "email": person.email})
    text = open_account().text
    assert "Authenticator app" in text
    assert "never used" in text
    assert "10 codes are left." in text
    assert "+1415***" in text
    assert person.email not in text
    challenge = api.start(person.id)
    assert api.verify(challenge["id"], app.now()).json()["valid"]
    assert "last used on" in open_account().text


def test_renaming(open_account, api, person):
    api.enroll(person.id)
    visitor = open_account()
    factor = factors(api, person)["factors"][0]
    visitor.send("rename", name="  Pixel \u202f 9 ")
    assert "The new name is saved." in visitor.text
    assert factors(api, person)["factors"][0]["device_name"] == "Pixel 9"
    for bad in ("", "   ", "x" * 65, "a\u0000b"):
        assert "A name has 1 to 64 characters." in visitor.send("rename", name=bad).text
    assert "removed before" in visitor.send("rename", name="x", factor="fa_nobody").text
    after = factors(api, person)["factors"][0]
    assert (after["device_name"], after["id"]) == ("Pixel 9", factor["id"])


def test_removing_asks_first_and_warns_of_the_last(open_account, api, person):
    api.enroll(person.id)
    api.enroll(person.id)
    visitor = open_account()
    visitor.send("remove")
    assert "Codes from it will not work any more." in visitor.text
    assert "last app" not in visitor.text
    assert len(factors(api, person)["factors"]) == 2
    visitor.send("remove")
    assert "The app was removed." in visitor.text
    assert len(factors(api, person)["factors"]) == 1
    visitor.send("remove")
    assert "It is your last app." in visitor.text
    assert len(factors(api, person)["factors"]) == 1
    visitor.send("remove")
    assert factors(api, person)["factors"] == []


def test_another_users_app_is_nobodys(open_account, api, person, people):
    other = people()
    api.enroll(other.id)
    api.enroll(person.id)
    theirs = factors(api, other)["factors"][0]["id"]
    visitor = open_account()
    assert "removed before" in visitor.send("remove", factor=theirs, confirmed="yes").text
    assert "removed before" in visitor.send("rename", factor=theirs, name="mine").text
    assert factors(api, other)["factors"][0]["device_name"] is None


def test_new_backup_codes_ask_first_and_are_shown_once(open_account, api, person):
    _, old = api.enroll(person.id)
    visitor = open_account()
    assert "Make new backup codes?" in visitor.send("backup-codes").text
    assert factors(api, person)["backup_codes"]["remaining"] == 10
    visitor.send("backup-codes")
    assert "These are your new codes." in visitor.text
    assert old[0] not in visitor.text
    visitor.send("saved")
    assert "These are your new codes." not in visitor.text
    challenge = api.start(person.id)
    assert not api.verify(challenge["id"], old[0]).json()["valid"]


def test_a_nudge_at_three(open_account, api, person):
    _, codes = api.enroll(person.id)
    for code in codes[:6]:
        assert api.verify(api.start(person.id)["id"], code).json()["valid"]
    assert "Make new ones" not in open_account().text
    assert api.verify(api.start(person.id)["id"], codes[6]).json()["valid"]
    text = open_account().text
    assert "3 codes are left. Make new ones before they run out." in text


def test_adding_an_app_leads_back(page, api, person, stack, shop):
    link = api("POST", f"/v1/users/{person.id}/link", {"return_url": shop.back}).json()["account_url"]
    page.goto(link)
    page.get_by_role("button", name="Add an authenticator app").click()
    page.locator("svg.qr").wait_for()
    page.get_by_text("Can't scan it?").click()
    secret = page.locator("#secret").get_attribute("data-value")
    page.locator("#code").press_sequentially(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="I have saved them").click()
    page.get_by_role("heading", name="Your ways to sign in").wait_for()
    assert page.locator(".list li").count() == 1
    page.get_by_role("button", name="Back to Shop").click()
    page.wait_for_url(shop.back)


def test_it_stays_true_when_something_changed_elsewhere(open_account, api, person):
    api.enroll(person.id)
    visitor = open_account()
    visitor.send("remove")
    api("DELETE", f"/v1/users/{person.id}/factors/{factors(api, person)['factors'][0]['id']}")
    assert "removed before" in visitor.send("remove").text


@pytest.mark.parametrize("language", ["de", "ar"])
def test_languages(open_account, api, person, language):
    api.enroll(person.id)
    html = open_account(language).answer.text
    assert f'lang="{language}"' in html
    for english in ("Your ways", "Added on", "never used", "Rename", "codes are left"):
        assert english not in html


def test_reloading_new_backup_codes_keeps_them(page, api, person, stack, contexts):
    api.enroll(person.id)
    page.goto(api("POST", f"/v1/users/{person.id}/link", {}).json()["account_url"])
    page.get_by_role("button", name="Make new backup codes").click()
    page.get_by_role("button", name="Make new ones").click()
    codes = page.locator("#codes li").all_inner_texts()
    page.reload()
    page.get_by_role("heading", name="Your ways to sign in").wait_for()
    assert page.locator("#codes").count() == 0
    challenge = api.start(person.id)
    assert api.verify(challenge["id"], codes[0]).json()["valid"]


def test_leaving_ends_the_visit(stack, open_account, api, person, shop):
    api.enroll(person.id)
    visitor = open_account()
    here = visitor.answer.url
    cookies = dict(visitor.session.cookies)
    visitor.send("leave")
    assert visitor.answer.url == shop.back
    assert not visitor.session.cookies
    visitor.session.cookies.update(cookies)  # the next person has kept it
    assert visitor.open(here).answer.status_code == 410


@pytest.mark.parametrize("how", ["reset", "forgotten"])
def test_a_page_that_is_open_enrols_nothing_after_a_reset_or_removal(stack, open_account, api, person, how):
    """Somebody had the account's page open, or an enrolment begun, when the user was said to be in danger."""
    api.enroll(person.id)
    visitor = open_account()
    page = visitor.answer.text
    begun = api("POST", "/v1/enrollments", {"user_id": person.id}).json()
    unopened = api("POST", f"/v1/users/{person.id}/link", {}).json()["account_url"]
    if how == "reset":
        done = otp_fallback(stack.env, "users", "reset", person.id, "--reason", "stolen phone")
        assert done.returncode == 0, done.stderr
    else:
        assert api("DELETE", f"/v1/users/{person.id}").status_code == 204
    assert 'action="' in page
    assert visitor.send("add").answer.status_code == 410
    assert visitor.open(unopened).answer.status_code == 410
    code = pyotp.TOTP(begun["secret"]).now()
    confirmed = api("POST", f"/v1/enrollments/{begun['id']}/confirm", {"code": code})
    assert (confirmed.status_code, confirmed.json()["code"]) == (404, "enrollment_not_found")
    assert factors(api, person)["factors"] == []
    assert "add" in open_account().actions  # what is begun from now on counts
