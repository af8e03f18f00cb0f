"""Every page: axe-core without violations, light and dark, left to right and right to left; by keyboard."""

import pyotp
import pytest

from tests.support.browser import DESKTOP, PHONE, check


@pytest.mark.parametrize(
    ("window", "scheme", "language"),
    [(PHONE, "light", "en"), (PHONE, "dark", "ar"), (DESKTOP, "dark", "en"), (DESKTOP, "light", "de")],
    ids=["phone", "phone-dark-ar", "desktop-dark", "desktop-de"],
)
def test_every_page(contexts, stack, api, person, sandbox, shop, window, scheme, language):
    page = contexts(**window, color_scheme=scheme, locale=language, reduced_motion="reduce").new_page()

    def account():
        page.goto(api("POST", f"/v1/users/{person.id}/link", {"return_url": shop.back}).json()["account_url"])

    account()
    check(page, "account, nothing there")
    begun = api("POST", "/v1/enrollments", {"user_id": person.id, "device_name": "Pixel 9"}).json()
    page.goto(begun["enrollment_url"])
    check(page, "enrol")
    page.locator("details summary").click()
    check(page, "enrol, key shown")
    app = pyotp.TOTP(begun["secret"])
    page.locator("#code").press_sequentially(str((int(app.now()) + 1) % 10**6).zfill(6))
    page.wait_for_selector("#said")
    check(page, "enrol, wrong code")
    page.locator("#code").press_sequentially(app.now())
    page.wait_for_selector("#codes")
    check(page, "backup codes")
    page.locator("button.main").click()
    page.wait_for_selector(".aside")
    check(page, "enrolled")
    api("PUT", f"/v1/users/{person.id}/contacts", {"phone": person.phone, "email": person.email})
    account()
    check(page, "account")
    page.locator(".list summary").click()
    check(page, "account, renaming")
    page.locator(".list form[action$=remove] button").click()
    page.wait_for_selector(".danger")
    check(page, "remove")
    account()
    page.locator("form[action$=backup-codes] button").click()
    page.wait_for_selector("h1")
    check(page, "renew")
    page.locator("button.main").click()
    page.wait_for_selector("#codes")
    check(page, "new backup codes")
    started = api.start(person.id, return_url=shop.back, locale=language)
    page.goto(started["challenge_url"])
    check(page, "challenge")
    page.locator("#code").press_sequentially("000001")
    page.wait_for_selector("#said")
    check(page, "challenge, wrong code")
    page.locator("button[value=backup_code]").click()
    page.wait_for_selector("input.long")
    check(page, "challenge, backup code")
    page.locator(".cancel button").click()
    page.wait_for_selector("form[action$=leave]")
    check(page, "challenge, canceled")
    sandbox.fail("http_500")
    page.goto(api.start(person.id, return_url=shop.back, locale=language)["challenge_url"])
    page.wait_for_selector(".warn")
    check(page, "challenge, outage")
    page.goto(f"{stack.url}/status")
    check(page, "status")
    page.goto(f"{stack.url}/c/nothing")
    check(page, "no such link")


def test_enrolling_by_keyboard_alone(contexts, api, person, shop):
    page = contexts(**DESKTOP).new_page()
    begun = api("POST", "/v1/enrollments", {"user_id": person.id, "return_url": shop.back}).json()
    page.goto(begun["enrollment_url"])
    press_until(page, "summary")
    page.keyboard.press("Enter")
    assert page.locator("#secret").is_visible()
    press_until(page, "#code")
    page.keyboard.type(pyotp.TOTP(begun["secret"]).now())
    page.wait_for_selector("#codes")
    press_until(page, "button.main")
    page.keyboard.press("Space")
    page.wait_for_url(f"{shop.back}**")


def test_answering_by_keyboard_alone(contexts, api, person, shop, sandbox):
    page = contexts(**DESKTOP).new_page()
    page.goto(
        api.start(person.id, phone=person.phone, email=person.email, return_url=shop.back)["challenge_url"]
    )
    assert page.locator("#code").evaluate("field => field === document.activeElement")
    press_until(page, "button[value=email]")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.wait_for_selector(".prompt[data-channel=email]")
    page.keyboard.type(sandbox.code(person.email, "email"))
    page.wait_for_url(f"{shop.back}**")


def press_until(page, selector):
    """Go from field to field, as somebody without a mouse does."""
    for _ in range(25):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} is not reached by Tab")


def test_zoomed_to_320_pixels_nothing_is_lost(contexts, api, person, shop):
    page = contexts(viewport={"width": 320, "height": 640}, locale="de").new_page()
    api.enroll(person.id)
    begun = api("POST", "/v1/enrollments", {"user_id": person.id, "label": "x" * 100}).json()
    page.goto(begun["enrollment_url"])
    page.locator("details summary").click()
    check(page, "enrol")
    page.goto(api("POST", f"/v1/users/{person.id}/link", {}).json()["account_url"])
    check(page, "account")
