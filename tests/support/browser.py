"""A real Chromium; where there is none, the tests that need it say so."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def check(page: Page, where: str) -> None:
    """Everybody can use this page: axe-core finds nothing, and it does not scroll sideways."""
    page.emulate_media(reduced_motion="reduce")
    found = Axe().run(
        page, options={"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
    )
    assert found.violations_count == 0, f"{where}\n{found.generate_report()}"
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{where} scrolls sideways"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        if os.environ.get("OTP_REQUIRE_BROWSER"):
            pytest.fail("no chromium on this machine, and OTP_REQUIRE_BROWSER is set")
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def contexts(browser):
    """Makes browser windows, and fails the test for what their pages complained of."""
    made: list[BrowserContext] = []
    complaints: list[str] = []

    def make(**options) -> BrowserContext:
        context = browser.new_context(**{"locale": "en", **options})
        context.set_default_timeout(15_000)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        made.append(context)
        return context

    make.complaints = complaints  # type: ignore[attr-defined]
    yield make
    for context in made:
        with contextlib.suppress(Exception):
            context.close()
    # A 4xx or 5xx that a test provokes is told on the console too.
    expected = ("Failed to load resource", "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED_ENCODING")
    assert [c for c in complaints if not any(word in c for word in expected)] == []


@pytest.fixture
def page(contexts) -> Page:
    return contexts(**PHONE).new_page()
