"""The documentation as it is read: in a browser, by everybody, without a script, with nothing from elsewhere."""

import re
from html.parser import HTMLParser

import pytest
import requests

from service.settings import Settings
from service.telemetry import metrics
from service.web.docs import sequence
from service.web.docs.markdown import article
from tests.support.browser import DESKTOP, PHONE, check
from tests.support.documents import NOT_RUN, blocks
from tests.support.stack import ROOT

CONTENT = ROOT / "service" / "web" / "docs" / "content"


class Read(HTMLParser):
    """A page's links and anchors, and what it loads."""

    def __init__(self, text):
        super().__init__()
        self.links, self.anchors, self.loads, self.inline = [], set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if "id" in given:
            assert given["id"] not in self.anchors, f"{given['id']} stands twice"
            self.anchors.add(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        if tag in ("script", "img", "link"):
            self.loads.append(given.get("src") or given.get("href"))
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "script" and "src" not in given:
            self.inline.append(tag)


@pytest.fixture(scope="module")
def book(running_stack):
    """Every page that is reached from `/docs`, read."""
    found, waiting = {}, ["/docs"]
    while waiting:
        path = waiting.pop()
        answer = requests.get(running_stack.url + path, timeout=20)
        assert answer.status_code == 200, path
        found[path] = (answer, Read(answer.text))
        for link in found[path][1].links:
            inside = link.partition("#")[0]
            if inside.startswith("/docs") and inside not in found and inside not in waiting:
                waiting.append(inside)
    return found


def test_there_is_every_page(book):
    guides = {f"/docs/{path.stem}" for path in CONTENT.glob("*.md")}
    runbooks = {
        f"/docs/runbook-{p.stem}" for p in (ROOT / "deploy" / "runbooks").glob("*.md") if p.stem != "README"
    }
    parts = {f"/docs/api-{tag}" for tag in ("challenges", "enrollments", "ops", "public", "webhooks")}
    assert book.keys() == {"/docs", "/docs/runbooks", *guides, *runbooks, *parts}


def test_every_link_and_anchor_leads_somewhere(book, stack):
    for path, (_, read) in book.items():
        for link in read.links:
            if "://" in link:
                continue
            target, _, anchor = link.partition("#")
            there = book.get(target or path)
            if there is None:
                assert requests.get(stack.url + target, timeout=5).ok, f"{path} leads to {link}"
            elif anchor and anchor != "main":
                assert anchor in there[1].anchors, f"{path} leads to {link}"


def test_nothing_is_loaded_from_elsewhere_and_nothing_is_inline(book):
    for path, (answer, read) in book.items():
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert all(load.startswith("/assets/") for load in read.loads), path
        assert not read.inline, path
        assert "{{" not in answer.text
        assert "max-age=300" in answer.headers["Cache-Control"]


def test_a_page_that_there_is_not(stack):
    answer = requests.get(f"{stack.url}/docs/nothing", timeout=5)
    assert answer.status_code == 404
    assert "There is no such page" in answer.text


@pytest.mark.parametrize(
    ("window", "scheme"), [(PHONE, "light"), (PHONE, "dark"), (DESKTOP, "light"), (DESKTOP, "dark")]
)
def test_everybody_can_read_a_page_of_each_kind(contexts, stack, window, scheme):
    page = contexts(**window, color_scheme=scheme, reduced_motion="reduce").new_page()
    for path in ("/docs", "/docs/login", "/docs/settings", "/docs/api-enrollments", "/docs/runbook-sms-down"):
        page.goto(stack.url + path)
        check(page, f"{path} {scheme}")


@pytest.mark.timeout(300)  # axe looks at every element of long pages
@pytest.mark.parametrize("part", ["/docs/api-", "/docs/"])
def test_everybody_can_read_every_page(contexts, stack, book, part):
    page = contexts(**PHONE, color_scheme="dark", reduced_motion="reduce").new_page()
    for path in sorted(book):
        if path.startswith(part) and (part == "/docs/api-" or not path.startswith("/docs/api-")):
            page.goto(stack.url + path)
            check(page, path)


def test_tables_are_read_on_a_phone_without_moving_them(contexts, stack):
    page = contexts(**PHONE).new_page()
    for path in ("errors", "settings", "metrics", "comparison", "api-challenges"):
        page.goto(f"{stack.url}/docs/{path}")
        assert page.locator("table td").first.is_visible()
        hidden = page.evaluate(
            "[...document.querySelectorAll('table')].filter(t => t.scrollWidth > t.parentNode.clientWidth).length"
        )
        assert hidden == 0, path
    assert page.locator("td[data-label=meaning]").count() > 10


def test_the_way_around_is_beside_a_page_and_out_of_the_way_on_a_phone(contexts, stack):
    for window, beside in ((DESKTOP, True), (PHONE, False)):
        page = contexts(**window).new_page()
        for path in ("/docs", "/docs/faq"):
            page.goto(stack.url + path)
            assert page.locator(".chapters a").first.is_visible() is beside
            assert page.locator(".chapters summary").is_visible() is not beside
            assert page.locator("h1").bounding_box()["y"] < 300


def test_code_is_copied_with_a_click(contexts, stack):
    page = contexts(**DESKTOP, permissions=["clipboard-read", "clipboard-write"]).new_page()
    page.goto(f"{stack.url}/docs/enrol")
    page.locator("button.copy").first.click()
    page.locator("button.copy:has-text('Copied')").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.strip() == blocks(CONTENT / "enrol.md")[0].text.strip()


def test_without_a_script_it_is_all_there(contexts, stack):
    page = contexts(**PHONE, java_script_enabled=False).new_page()
    page.goto(f"{stack.url}/docs/login")
    assert page.locator("pre").first.is_visible()
    assert not page.locator("button.copy").first.is_visible()
    assert page.locator(".diagram svg").first.is_visible()
    page.locator(".chapters summary").click()
    page.get_by_role("link", name="Settings").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Settings"


def test_the_reference_is_what_the_code_says(book):
    settings = book["/docs/settings"][0].text
    for field in (f for f in Settings.model_fields.values() if not f.exclude):
        assert f"<code>{field.validation_alias}</code>" in settings
        assert field.description
    for name in (metrics.DEAD_ENDS, metrics.START_SECONDS, metrics.ROUTE_STATE):
        assert name._documentation in book["/docs/metrics"][0].text
    assert "<code>otp_dead_ends_total</code>" in book["/docs/metrics"][0].text
    assert "<code>too_many_failures</code>" in book["/docs/errors"][0].text
    challenges = book["/docs/api-challenges"][0].text
    assert "channels[].state" in challenges
    assert "challenge_url" in challenges


def test_the_readme_names_the_same_settings():
    table = (ROOT / "README.md").read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+\*?)`", row)}
    aliases = {str(field.validation_alias) for field in Settings.model_fields.values() if not field.exclude}
    patterns = {name.removesuffix("*") for name in named if name.endswith("*")}
    assert all(any(alias.startswith(p) for alias in aliases) for p in patterns)
    covered = {alias for alias in aliases if any(alias.startswith(p) for p in patterns)}
    assert named - {f"{p}*" for p in patterns} == aliases - covered


def test_programs_that_are_shown_are_those_that_are_run():
    shown = [
        (path.name, block)
        for path in CONTENT.glob("*.md")
        for block in blocks(path)
        if len(block.info) == 2 and block.info[1] != NOT_RUN
    ]
    examples = {block.info[1].split("/")[2] for _, block in shown if block.info[1] != "README.md"}
    assert examples == {"flask", "django", "express"}
    for name, block in shown:
        assert block.text in (ROOT / block.info[1]).read_text(), (
            f"{name} shows what is not in {block.info[1]}"
        )


def test_markdown_is_rendered_and_html_in_it_is_not():
    made = article(
        "# T\n\n## A `b`\n\n<script>x</script>\n\n[l](javascript:x)\n\n## A b\n", lambda target: target
    )
    assert (made.title, [h.anchor for h in made.headings]) == ("T", ["a-b", "a-b-again1"])
    assert "<script>" not in made.html
    assert "javascript:" not in made.html.replace("[l](javascript:x)", "")


def test_a_diagram_says_what_is_wrong_with_it():
    drawn = sequence.draw("A -> B: <x>\nB --> A: y\nA -> A: z\nNote: n", "d")
    assert drawn.count("<li>") == 4
    assert "&lt;x&gt;" in drawn
    with pytest.raises(ValueError, match="neither"):
        sequence.draw("A B", "d")
