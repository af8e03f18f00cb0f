"""The pages of the documentation, rendered once."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import service
from service.web.docs import reference
from service.web.docs.api import Reference
from service.web.docs.markdown import Article, Heading, article, inline

# The order in which they are read; what is made by the code stands in for `{{ name }}` in a text.
GUIDES = ("start", "login", "clients", "twilio", "enrol", "operate", "comparison", "faq")
TABLES = ("settings", "metrics", "errors")
RUNBOOKS = "runbooks"


@dataclass(frozen=True, slots=True)
class Entry:
    """A page as the table of contents has it."""

    name: str
    group: str
    title: str


@dataclass(frozen=True, slots=True)
class Page:
    """A page: text, or a part of the API's reference."""

    name: str
    article: Article
    operations: list[dict[str, Any]] | None = None


class Book:
    """Every page by its name, each rendered when it is asked for first, and kept."""

    def __init__(self, describe: Callable[[], Mapping[str, Any]]) -> None:
        """Take the API's description, as something to ask for."""
        self._describe = describe
        self._rendered: dict[str, Page] = {}

    @cached_property
    def entries(self) -> Mapping[str, Entry]:
        """What there is, in the order in which it is read."""
        found = [
            *(Entry(name, "Guides", _title(_text(name))) for name in GUIDES),
            *(Entry(f"api-{tag['name']}", "API", f"API: {tag['name']}") for tag in self._api.tags()),
            *(Entry(name, "Reference", _title(_text(name))) for name in TABLES),
            *(Entry(name, "Runbooks", _title(text)) for name, text in _runbooks().items()),
        ]
        return {entry.name: entry for entry in found}

    def page(self, name: str) -> Page | None:
        """A page; `None`: there is none of this name."""
        if name not in self.entries:
            return None
        if name not in self._rendered:
            self._rendered[name] = self._render(self.entries[name])
        return self._rendered[name]

    def _render(self, entry: Entry) -> Page:
        if entry.group == "API":
            return self._part_of_api(entry)
        text = _runbooks()[entry.name] if entry.group == "Runbooks" else _text(entry.name)
        if (made := self._tables.get(entry.name)) is not None:
            text = text.replace("{{ made }}", made())
        return Page(entry.name, article(text, _address))

    def _part_of_api(self, entry: Entry) -> Page:
        tag = next(tag for tag in self._api.tags() if entry.name == f"api-{tag['name']}")
        operations = self._api.operations(tag["name"])
        headings = [Heading(2, o["name"], o["called"]) for o in operations]
        about = Article(entry.title, f"<p>{inline(tag['description'])}.</p>", headings)
        return Page(entry.name, about, operations)

    @cached_property
    def _api(self) -> Reference:
        return Reference(self._describe())

    @property
    def _tables(self) -> Mapping[str, Callable[[], str]]:
        return {
            "settings": reference.settings,
            "metrics": reference.measured,
            "errors": lambda: reference.error_codes(self._describe()),
        }


def _text(name: str) -> str:
    return files("service.web.docs").joinpath("content", f"{name}.md").read_text("utf-8")


def _title(text: str) -> str:
    return text.partition("\n")[0].removeprefix("# ").strip()


@cache
def _runbooks() -> Mapping[str, str]:
    """The runbooks, which lie with the package when it is installed, else in the checkout beside it."""
    folder: Traversable = files("service.web.docs").joinpath(RUNBOOKS)
    if not folder.is_dir():
        folder = Path(service.__file__).parents[1] / "deploy" / RUNBOOKS
    if not folder.is_dir():
        return {}
    texts = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".md")}
    first = texts.pop("README.md")
    others = {f"runbook-{name.removesuffix('.md')}": text for name, text in sorted(texts.items())}
    return {RUNBOOKS: first, **others}


_RUNBOOK = re.compile(r"(?:.*/)?(\w+-(?:down|leaked|fraud))\.md(#.*)?")
_GUIDE = re.compile(r"([a-z-]+)\.md(#.*)?")


def _address(target: str) -> str:
    """Where a link leads here that leads to a file where the texts lie."""
    if (runbook := _RUNBOOK.fullmatch(target)) is not None:
        return f"/docs/runbook-{runbook[1]}{runbook[2] or ''}"
    if target.endswith("runbooks/README.md"):
        return f"/docs/{RUNBOOKS}"
    if (guide := _GUIDE.fullmatch(target)) is not None:
        return f"/docs/{guide[1]}{guide[2] or ''}"
    return target
