"""A real Chromium on a running service; where there is none, these tests say so."""

import contextlib
import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.support.people import *  # noqa: F403 - fixtures are found by their names here
from tests.support.shop import Shop
from tests.support.visitor import Visitor

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
DESKTOP = {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with Shop() as running:
        yield running


@pytest.fixture(scope="module")
def options(shop) -> dict:
    return {"worker_process": True, "OTP_RETURN_URLS": shop.url, "OTP_DELIVERY_DEADLINE": "600"}


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
    assert [c for c in complaints if "Failed to load resource" not in c] == []


@pytest.fixture
def page(contexts) -> Page:
    return contexts(**PHONE).new_page()


@pytest.fixture
def visitor(stack) -> Visitor:
    return Visitor(stack.url)
