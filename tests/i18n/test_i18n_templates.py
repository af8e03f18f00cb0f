"""No sentence of a page or letter stands in a template untranslated."""

import re
from pathlib import Path

import pytest

from service.messages import SOURCE

TEMPLATES = sorted(
    path
    for path in SOURCE.rglob("templates/*")
    if path.suffix in (".html", ".txt")  # those of the console, a folder down, are in English
)
ATTRIBUTES = re.compile(r'\b(?:aria-label|alt|title|placeholder)="([^"]*)"')


def words(path: Path) -> list[str]:
    """What a reader would see of a template that is in none of its expressions."""
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", path.read_text("utf-8"), flags=re.DOTALL)
    told = ATTRIBUTES.findall(text)
    shown = re.sub(r"<[^>]*>", " ", text) if path.suffix == ".html" else text
    return re.findall(r"[^\W\d_]{2,}", " ".join([shown, *told]))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_word_goes_through_the_catalogue(path):
    assert words(path) == []


def test_it_would_find_one(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<p aria-label="Hello">{{ _("x") }} there</p>')
    assert words(page) == ["there", "Hello"]


def test_all_templates_are_looked_at():
    assert {"enroll.html", "prompt.html", "code.txt", "change.html"} <= {path.name for path in TEMPLATES}
