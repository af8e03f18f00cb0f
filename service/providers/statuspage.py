"""A provider's public status page, in Atlassian Statuspage's format (`/api/v2/summary.json`)."""

from dataclasses import dataclass
from typing import Literal

import requests
from pydantic import BaseModel, ValidationError

from service.deadline import DeadlineExceeded, within

DEADLINE = 10.0  # seconds
LARGEST = 2 * 1024 * 1024  # bytes


class _Status(BaseModel):
    indicator: Literal["none", "minor", "major", "critical", "maintenance"]
    description: str = ""


class _Component(BaseModel):
    name: str
    status: str


class Summary(BaseModel):
    """What a page says."""

    status: _Status
    components: list[_Component] = []

    def trouble(self) -> list[str]:
        """Names of the components that are not operational."""
        return [c.name for c in self.components if c.status not in ("operational", "under_maintenance")]


class FeedFailure(Exception):
    """The page can't be read; `str()` is a word that says why."""


@dataclass(slots=True)
class StatusPage:
    """One page; asked again, it answers only if it changed."""

    url: str
    _etag: str | None = None
    _modified: str | None = None

    def fetch(self) -> Summary | None:
        """What the page says, `None` if that is what it said last.

        Raises:
            FeedFailure: it can't be reached or read.
        """
        headers = {"Accept": "application/json", "User-Agent": "otp-fallback"}
        if self._etag:
            headers["If-None-Match"] = self._etag
        if self._modified:
            headers["If-Modified-Since"] = self._modified
        try:
            response, body = within(DEADLINE, lambda: _get(self.url, headers))
        except DeadlineExceeded:
            raise FeedFailure("timeout") from None
        except requests.RequestException:
            raise FeedFailure("connection") from None
        if response.status_code == 304:
            return None
        if response.status_code != 200:
            raise FeedFailure(f"http_{response.status_code}")
        try:
            summary = Summary.model_validate_json(body)
        except ValidationError:
            raise FeedFailure("unreadable") from None
        self._etag, self._modified = response.headers.get("ETag"), response.headers.get("Last-Modified")
        return summary


def _get(url: str, headers: dict[str, str]) -> tuple[requests.Response, bytes]:
    with requests.get(url, headers=headers, timeout=DEADLINE, stream=True) as response:
        body = b""
        for part in response.iter_content(65536):
            body += part
            if len(body) > LARGEST:
                raise requests.RequestException
        return response, body
