"""`/docs` and its pages. They need no API key, and tell nothing of this installation."""

from typing import TYPE_CHECKING

from flask import Blueprint, Response, current_app

from service.web.pages import page

if TYPE_CHECKING:
    from service.web.docs.book import Book, Entry, Page

LOCALE = "en"

api = Blueprint("docs", __name__)


@api.get("/docs")
def docs() -> Response:
    """What there is to read."""
    return _show("index.html", None)


@api.get("/docs/<page>")
def docs_page(page: str) -> Response:
    """One page."""
    found = _book().page(page)
    if found is None:
        return _show("missing.html", None, status=404)
    return _show("page.html" if found.operations is None else "api.html", found)


def _show(template: str, shown: "Page | None", *, status: int = 200) -> Response:
    groups: dict[str, list[Entry]] = {}
    for entry in _book().entries.values():
        groups.setdefault(entry.group, []).append(entry)
    answer = page(f"docs/{template}", LOCALE, {"groups": groups, "shown": shown}, status=status)
    answer.headers["Cache-Control"] = "public, max-age=300"
    answer.headers["Vary"] = "Accept-Encoding"
    return answer


def _book() -> "Book":
    book: Book = current_app.extensions["otp-docs"]()
    return book
