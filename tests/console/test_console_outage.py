"""An outage as operators live through it, in a browser that nobody reloads."""

import pytest
from playwright.sync_api import expect

from tests.support.browser import DESKTOP, PHONE, check
from tests.support.receiver import receiving
from tests.support.stack import API_KEY, wait_until

INDIA = "twilio_verify/sms/+91"


@pytest.fixture
def indians():
    numbers = iter(range(100_000))
    return lambda: f"+9198765{next(numbers):05d}"


def sign_in(page, url):
    page.goto(f"{url}/console")
    page.get_by_label("API key of an operator").fill(API_KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def row(page, name):
    return page.get_by_role("row", name=name)


def log_in(api, sandbox, user, phone, email):
    """Somebody logs in, by whatever is asked for."""
    challenge = api.start(user, phone=phone, email=email)
    channel = challenge["channel"]
    if channel in ("sms", "email"):
        code = sandbox.code(phone if channel == "sms" else email, channel)
        assert api.verify(challenge["id"], code).json()["valid"]
    return challenge


@pytest.fixture
def receiver(api):
    """Somebody who is told of incidents, over HTTP."""
    with receiving() as found:
        made = api(
            "POST", "/v1/ops/webhooks", {"url": found.url, "events": ["incident.*"], "description": "Pager"}
        )
        assert made.status_code == 201, made.text
        found.secret = made.json()["secret"]
        yield found
        api("DELETE", f"/v1/ops/webhooks/{made.json()['id']}")


def heard(receiver, kind):
    """The message of a type that arrived, its signature checked by the standard's own library."""
    told = (posted.verified(receiver.secret) for posted in receiver.posts)
    return next((body for body in told if body["type"] == kind), None)


def test_one_country_dies_and_comes_back(contexts, stack, api, sandbox, people, indians, receiver):
    page = contexts(**DESKTOP).new_page()
    sign_in(page, stack.url)
    for _ in range(3):
        person = people()
        log_in(api, sandbox, person.id, person.phone, person.email)
        log_in(api, sandbox, person.id, indians(), person.email)
    expect(row(page, INDIA)).to_contain_text("closed")
    expect(page.get_by_text("Every route works.")).to_be_visible()

    # It goes red by itself, and the incident opens.
    sandbox.fail("http_500", country="+91")
    for _ in range(6):
        person = people()
        challenge = api.start(person.id, phone=indians(), email=person.email)
        assert challenge["channel"] == "email"  # and users get in meanwhile
    expect(row(page, INDIA)).to_contain_text("open")
    expect(page.get_by_text("1 of 3 routes are open")).to_be_visible()
    check(page, "overview, in an outage")
    opened = wait_until(lambda: heard(receiver, "incident.opened"))
    assert opened["data"]["routes"] == [INDIA]
    page.get_by_role("link", name="investigating").click()
    expect(page.get_by_text("consecutive faults")).to_be_visible()
    page.get_by_label("Text", exact=True).fill("The carrier confirms it.")
    page.get_by_label("Status", exact=True).select_option("identified")
    page.get_by_label("Show it to everybody on the status page").check()
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_text("shown to everybody")).to_be_visible()
    check(page, "incident")

    # The status page has it.
    public = contexts(**PHONE).new_page()
    public.goto(f"{stack.url}/status")
    expect(public.get_by_text("The carrier confirms it.")).to_be_visible()

    # Fallback is forced for that country.
    page.get_by_role("link", name="Mode").click()
    page.get_by_label("Country").fill("+91")
    page.get_by_label("Why").fill("carrier outage")
    page.get_by_role("button", name="See what it will do").click()
    expect(page.get_by_role("heading", name="fallback for numbers of +91?")).to_be_visible()
    check(page, "mode, to be confirmed")
    page.get_by_role("button", name="Switch to fallback").click()
    expect(page.get_by_role("row", name="numbers of +91")).to_contain_text("fallback")
    check(page, "mode")
    person = people()
    forced = api.start(person.id, phone=indians(), email=person.email)
    assert forced["channels"][0]["reason"] == "mode"

    # A drill in another country is read while it runs.
    page.get_by_role("link", name="Drills").click()
    page.get_by_label("Of the users").select_option("1")
    page.get_by_label("Country (optional)").fill("+1")
    page.get_by_label("Why").fill("while we are at it")
    page.get_by_role("button", name="See what it will do").click()
    page.get_by_role("button", name="Begin the drill").click()
    expect(page.get_by_text("Running; it ends")).to_be_visible()
    person = people()
    drilled = log_in(api, sandbox, person.id, person.phone, person.email)
    assert drilled["switches"][0]["reason"] == "drill"
    expect(page.get_by_text("1 by email")).to_be_visible()
    check(page, "drill")
    page.get_by_role("button", name="Stop it now").click()
    expect(page.get_by_text("stopped by an operator")).to_be_visible()

    # The carrier is back: auto again, probes close the route, the incident resolves.
    sandbox.heal()
    page.get_by_role("link", name="Mode").click()
    page.get_by_role("button", name="Take back for numbers of +91").click()
    page.get_by_role("button", name="Take it back").click()
    page.get_by_role("link", name="Overview").click()

    def back():
        somebody = people()
        phone = indians()
        challenge = api.start(somebody.id, phone=phone, email=somebody.email)
        answered = api.get(challenge["id"])
        if any(entry["channel"] == "sms" and entry["state"] == "sent" for entry in answered["channels"]):
            api.verify(challenge["id"], sandbox.code(phone))
        return not api("GET", "/v1/ops/incidents?open=true").json()["incidents"]

    wait_until(back, 90)
    expect(page.get_by_text("Every route works.")).to_be_visible()
    expect(page.get_by_text("none open")).to_be_visible()
    over = wait_until(lambda: heard(receiver, "incident.resolved"))
    assert over["data"]["id"] == opened["data"]["id"]
    page.get_by_role("link", name="Webhooks").click()
    expect(page.get_by_role("row", name="Pager")).to_contain_text("closed")
    page.get_by_role("link", name="Pager").click()
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("A test message waits to be sent.")).to_be_visible()
    check(page, "webhook")
    assert wait_until(lambda: heard(receiver, "webhook.test"))
    public.reload()
    expect(public.get_by_role("heading", name="Everything works")).to_be_visible()


@pytest.mark.parametrize(
    ("window", "scheme"),
    [(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "dark")],
    ids=["phone", "phone-dark", "dark"],
)
def test_every_page_is_for_everybody(contexts, stack, api, people, window, scheme):
    person = people()
    api.enroll(person.id)
    api("PUT", f"/v1/users/{person.id}/contacts", {"phone": person.phone, "email": person.email})
    api.start(person.id)
    page = contexts(**window, color_scheme=scheme, reduced_motion="reduce").new_page()
    page.goto(f"{stack.url}/console")
    check(page, "sign in")
    page.get_by_label("API key of an operator").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("unknown or was revoked")
    check(page, "sign in, refused")
    sign_in(page, stack.url)
    check(page, "overview")
    for name in ("mode", "incidents", "drills", "users", "webhooks", "audit"):
        page.goto(f"{stack.url}/console/{name}")
        check(page, name)
    page.goto(f"{stack.url}/console/users")
    page.get_by_label("User id").fill(person.id)
    page.get_by_role("button", name="Look up").click()
    expect(page.get_by_role("heading", name="Reset factors")).to_be_visible()
    check(page, "user")
    page.goto(f"{stack.url}/console/drills")
    page.get_by_label("Why").fill("x")
    page.get_by_role("button", name="See what it will do").click()
    check(page, "drill, to be confirmed")
    page.goto(f"{stack.url}/console/incidents/inc_none")
    check(page, "failed")


def test_by_keyboard(contexts, stack):
    page = contexts(**DESKTOP).new_page()
    page.goto(f"{stack.url}/console")
    for _ in range(2):  # past the link to the content
        page.keyboard.press("Tab")
    page.keyboard.type(API_KEY)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_the_focus_stays_while_it_follows(contexts, stack, api, people):
    page = contexts(**DESKTOP).new_page()
    sign_in(page, stack.url)
    page.get_by_role("link", name="Switch").focus()
    before = page.locator(".spans .small").inner_text()
    person = people()
    api.start(person.id, phone=person.phone)
    expect(page.locator(".spans .small")).not_to_have_text(before)
    expect(page.get_by_role("link", name="Switch")).to_be_focused()


def test_a_page_that_is_not_kept_fresh_says_so(contexts, stack):
    page = contexts(**PHONE).new_page()
    sign_in(page, stack.url)
    stack.web.kill()
    try:
        expect(page.get_by_text("Not kept fresh since")).to_be_visible(timeout=30_000)
    finally:
        stack.start_web()
    expect(page.get_by_text("Not kept fresh since")).to_be_hidden(timeout=30_000)


def test_signed_out_meanwhile(contexts, stack):
    page = contexts(**DESKTOP).new_page()
    sign_in(page, stack.url)
    client = stack.redis()
    for name in client.scan_iter("otp:*:s:*", count=10_000):
        client.delete(name)
    expect(page.get_by_label("API key of an operator")).to_be_visible(timeout=30_000)
