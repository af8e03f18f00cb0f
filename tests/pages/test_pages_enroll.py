"""Enrolling on a phone: scanned by an independent reader, confirmed by an independent generator."""

import json
import subprocess
import time
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Error

from tests.support.browser import DESKTOP, PHONE
from tests.support.tools import independent
from tests.support.visitor import Visitor


def begin(api, person, **fields):
    answer = api("POST", "/v1/enrollments", {"user_id": person.id, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def scanned(picture: Path) -> str:
    reader = independent("zbarimg")
    done = subprocess.run(
        [reader, "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(picture)],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return done.stdout.strip()


def shown_by_app(uri: str, offset: int = 0) -> str:
    generator = independent("oathtool")
    secret = pyotp.parse_uri(uri).secret
    moment = f"{time.time() + offset:.0f}"
    done = subprocess.run(
        [generator, "--totp", "-b", secret, "-N", f"@{moment}"],
        capture_output=True, text=True, check=True, timeout=10,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize("window", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_whole_way(contexts, api, shop, person, tmp_path, window, scheme):
    page = contexts(**window, color_scheme=scheme, device_scale_factor=2).new_page()
    begun = begin(api, person, label="zoe@shop.example", return_url=shop.back)
    page.goto(begun["enrollment_url"])
    here = page.url
    picture = tmp_path / "qr.png"
    page.locator("svg.qr").screenshot(path=picture)
    uri = scanned(picture)
    assert uri == begun["otpauth_uri"]
    assert page.locator(".on-phone").is_visible() is (window is PHONE)
    assert page.locator(".on-phone").get_attribute("href") == uri
    page.locator("#code").press_sequentially(shown_by_app(uri))  # sends itself with the last digit
    page.wait_for_selector("#codes")
    codes = page.locator("#codes li").all_inner_texts()
    assert len(codes) == 10
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    saved = Path(download.value.path()).read_text()
    assert all(code in saved for code in codes)
    page.get_by_role("button", name="I have saved them").click()
    page.wait_for_url(f"{shop.back}**")
    _, query, headers = shop.visits[-1]
    assert query == {"enrollment_id": begun["id"], "status": "confirmed"}
    assert "Referer" not in headers
    challenge = api.start(person.id)
    assert challenge["channel"] == "totp"
    assert api.verify(challenge["id"], codes[0]).json()["valid"]
    factors = api("GET", f"/v1/users/{person.id}/factors").json()
    assert [f["label"] for f in factors["factors"]] == ["zoe@shop.example"]
    # Nothing that was shown stays where the next person at this browser finds it: the page that showed the
    # codes was the answer to a form and was not kept, and the visit is over.
    with pytest.raises(Error, match="ERR_CACHE_MISS"):
        page.go_back()
    elsewhere = page.context.new_page()
    elsewhere.goto(here)
    assert "This link does not work" in elsewhere.content()
    assert not any(code in elsewhere.content() for code in codes)
    assert pyotp.parse_uri(uri).secret not in elsewhere.content()


@pytest.mark.parametrize("text", ["{0} {1}", "{0}-{1}", " {0}{1} "])
def test_a_code_may_be_pasted_as_apps_show_it(contexts, api, person, text):
    context = contexts(**PHONE, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    begun = begin(api, person)
    page.goto(begun["enrollment_url"])
    code = pyotp.TOTP(begun["secret"]).now()
    page.evaluate("text => navigator.clipboard.writeText(text)", text.format(code[:3], code[3:]))
    page.focus("#code")
    page.keyboard.press("Control+V")
    page.wait_for_selector("#codes")


def test_digits_of_other_scripts(page, api, person):
    begun = begin(api, person)
    page.goto(begun["enrollment_url"])
    code = pyotp.TOTP(begun["secret"]).now()
    page.locator("#code").press_sequentially("".join(chr(0x660 + int(digit)) for digit in code))
    page.wait_for_selector("#codes")


def test_the_key_can_be_copied_and_typed(contexts, api, person):
    context = contexts(**DESKTOP, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    begun = begin(api, person)
    page.goto(begun["enrollment_url"])
    page.get_by_text("Can't scan it?").click()
    groups = page.locator("#secret span").all_inner_texts()
    assert "".join(groups) == begun["secret"]
    assert {len(group) for group in groups} == {4}
    page.get_by_role("button", name="Copy the key").click()
    page.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == begun["secret"]


def test_a_wrong_code_says_so_and_the_next_one_counts(page, api, person):
    begun = begin(api, person)
    app = pyotp.TOTP(begun["secret"])
    page.goto(begun["enrollment_url"])
    page.locator("#code").press_sequentially(str((int(app.now()) + 1) % 10**6).zfill(6))
    alert = page.get_by_role("alert")
    assert "That code is not right" in alert.inner_text()
    field = page.locator("#code")
    assert field.get_attribute("aria-invalid") == "true"
    assert field.get_attribute("aria-describedby") == alert.get_attribute("id")
    assert field.evaluate("field => field === document.activeElement")
    field.press_sequentially(app.now())
    page.wait_for_selector("#codes")


def test_a_wrong_clock_is_told_from_a_wrong_code(page, api, person):
    begun = begin(api, person)
    page.goto(begun["enrollment_url"])
    page.locator("#code").press_sequentially(shown_by_app(begun["otpauth_uri"], offset=600))
    assert "clock is about 10 minutes off" in page.get_by_role("alert").inner_text()
    assert api("GET", f"/v1/users/{person.id}/factors").json()["factors"] == []


def test_without_javascript(stack, api, person, shop):
    begun = begin(api, person, return_url=shop.back)
    visitor = Visitor(stack.url).open(begun["enrollment_url"])
    assert begun["otpauth_uri"].replace("&", "&amp;") in visitor.answer.text
    assert "not right" in visitor.send("confirm", code="12").text
    app = pyotp.TOTP(begun["secret"])
    done = visitor.send("confirm", code=f"{app.now()[:3]} {app.now()[3:]}")
    assert "Save your backup codes" in done.text
    done.send("finish")
    assert shop.visits[-1][1]["status"] == "confirmed"


def test_backup_codes_come_with_the_first_app_only(stack, api, person):
    api.enroll(person.id)
    begun = begin(api, person)
    visitor = Visitor(stack.url).open(begun["enrollment_url"])
    visitor.send("confirm", code=pyotp.TOTP(begun["secret"]).now())
    assert "Your app is set up" in visitor.text
    assert "backup codes" not in visitor.text
    assert visitor.actions == []


def test_as_many_apps_as_one_may_have(stack, api, person):
    for _ in range(10):
        api.enroll(person.id)
    begun = begin(api, person)
    visitor = Visitor(stack.url).open(begun["enrollment_url"])
    visitor.send("confirm", code=pyotp.TOTP(begun["secret"]).now())
    assert "You have as many apps as you may." in visitor.text
    assert len(api("GET", f"/v1/users/{person.id}/factors").json()["factors"]) == 10


def test_codes_that_were_not_saved_can_be_replaced_in_this_visit(stack, api, person):
    begun = begin(api, person)
    visitor = Visitor(stack.url).open(begun["enrollment_url"])
    visitor.send("confirm", code=pyotp.TOTP(begun["secret"]).now())
    first = visitor.text
    visitor.send("finish")  # no return address: the same page, without the codes
    assert "Save your backup codes" not in visitor.text
    visitor.send("backup-codes")
    assert "Save your backup codes" in visitor.text
    assert visitor.text != first
    assert api("GET", f"/v1/users/{person.id}/factors").json()["backup_codes"]["remaining"] == 10


def test_a_form_sent_twice_enrols_once(stack, api, person):
    begun = begin(api, person)
    visitor = Visitor(stack.url).open(begun["enrollment_url"])
    fields = {"form_token": visitor.hidden()["form_token"], "code": pyotp.TOTP(begun["secret"]).now()}
    here = visitor.answer.url
    answers = [visitor.session.post(f"{here}/confirm", data=fields, timeout=5) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert "Your app is set up" in answers[1].text
    assert "Save your backup codes" not in answers[1].text
    assert len(api("GET", f"/v1/users/{person.id}/factors").json()["factors"]) == 1


def test_what_was_confirmed_elsewhere_or_has_expired(stack, api, person):
    begun = begin(api, person)
    code = pyotp.TOTP(begun["secret"]).now()
    assert api("POST", f"/v1/enrollments/{begun['id']}/confirm", {"code": code}).status_code == 200
    assert "Your app is set up" in Visitor(stack.url).open(begun["enrollment_url"]).text
    begun = begin(api, person)
    client = stack.redis()
    client.delete(f"otp:{{{begun['id'][3:5]}}}:e:{begun['id'][3:]}")
    gone = Visitor(stack.url).open(begun["enrollment_url"])
    assert gone.answer.status_code == 410
    assert "This link has expired" in gone.text


def test_a_crash_between_confirming_and_tidying_up(stack, api, person):
    begun = begin(api, person)
    visitor = Visitor(stack.url).open(begun["enrollment_url"])
    key, client = f"otp:{{{begun['id'][3:5]}}}:e:{begun['id'][3:]}", stack.redis()
    record = client.dump(key)
    visitor.send("confirm", code=pyotp.TOTP(begun["secret"]).now())
    client.restore(key, 600_000, record)
    visitor.open(visitor.answer.url.removesuffix("/confirm"))
    assert "Your app is set up" in visitor.text
    assert "backup-codes" in visitor.actions


def test_hostile_names_are_text(page, api, person):
    label = "<img src=x onerror=alert(1)>\"'&"
    begun = begin(api, person, label=label)
    page.goto(begun["enrollment_url"])
    assert page.locator(".account").inner_text() == label  # whose account it is, before anything is scanned
    page.get_by_text("Can't scan it?").click()
    assert label in page.locator("details").inner_text()
    assert page.locator("details img").count() == 0


@pytest.mark.parametrize("language", ["de", "es", "fr", "pt", "ja", "ar"])
def test_languages(stack, api, person, language):
    begun = begin(api, person)
    html = Visitor(stack.url, language).open(begun["enrollment_url"]).answer.text
    assert f'lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}"' in html
    assert "Set up your authenticator app" not in html
    # The application's choice goes before the browser's.
    begun = begin(api, person, locale="en")
    assert "Set up your authenticator app" in Visitor(stack.url, language).open(begun["enrollment_url"]).text


def test_a_visit_is_over_with_its_link(stack, api, person):
    begun = begin(api, person)
    visitor = Visitor(stack.url).open(begun["enrollment_url"])
    client = stack.redis()
    link_id = visitor.answer.url.rpartition("/")[2]
    record = f"otp:{{{link_id[3:5]}}}:l:{link_id[3:]}"
    assert 0 < client.pttl(record) <= 1_800_000
    assert 0 < client.pttl(record.replace(":l:", ":o:")) <= 1_800_000
    client.delete(record)
    assert visitor.open(visitor.answer.url).answer.status_code == 410
    assert json.dumps(visitor.text).count("This link has expired") >= 1
