"""A browser without JavaScript: follows redirects, keeps cookies, sends the forms that it finds."""

from html.parser import HTMLParser
from typing import Any

import requests


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str], list[tuple[str, str]]]] = []
        self.text: list[str] = []
        self.leads_to: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and given.get("http-equiv") == "refresh":
            self.leads_to = given["content"].removeprefix("0;url=")
        elif tag == "form":
            self.forms.append((given["action"], {}, []))
        elif tag == "input" and self.forms:
            self.forms[-1][1][given.get("name", "")] = given.get("value", "")
        elif tag == "button" and self.forms and given.get("name"):
            self.forms[-1][2].append((given["name"], given["value"]))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


class Visitor:
    """Where it is, what it sees, and what it can send."""

    def __init__(self, url: str, language: str = "en") -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers["Accept-Language"] = language
        self.answer: requests.Response = requests.Response()

    def open(self, address: str, **headers: str) -> "Visitor":
        self.answer = self.session.get(address, headers=headers, timeout=30)
        return self._refresh()

    def send(self, action: str, **fields: str) -> "Visitor":
        """Fill in and send the form whose address ends in `action`."""
        found = _parsed(self.answer.text)
        here, hidden, _ = next(form for form in found.forms if form[0].endswith(f"/{action}"))
        self.answer = self.session.post(self.url + here, data={**hidden, **fields}, timeout=30)
        return self._refresh()

    def _refresh(self) -> "Visitor":
        onwards = _parsed(self.answer.text).leads_to
        if onwards is not None:
            self.answer = self.session.get(onwards, timeout=30)
        return self

    @property
    def actions(self) -> list[str]:
        return [action.rpartition("/")[2] for action, _, _ in _parsed(self.answer.text).forms]

    def choices(self, name: str) -> list[str]:
        return [v for _, _, buttons in _parsed(self.answer.text).forms for n, v in buttons if n == name]

    @property
    def text(self) -> str:
        return " ".join(" ".join(_parsed(self.answer.text).text).split())

    def hidden(self) -> dict[str, Any]:
        return _parsed(self.answer.text).forms[0][1]


def _parsed(html: str) -> _Forms:
    parser = _Forms()
    parser.feed(html)
    return parser
