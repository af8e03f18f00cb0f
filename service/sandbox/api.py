"""Twilio Verify's HTTP API: parse a request, pass it through the gate, render the answer.

Source: https://www.twilio.com/docs/verify/api and Twilio's OpenAPI description of April 2026.
"""

import re
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from service.sandbox import render
from service.sandbox.attempts import AttemptRow, Attempts
from service.sandbox.errors import invalid
from service.sandbox.failures import CHANNELS, Subject
from service.sandbox.gate import Account, Gate
from service.sandbox.provider import CODE_DIGITS, Provider, Request

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CUSTOM_CODE = re.compile(r"\d{4,10}", re.ASCII)
_ENDINGS: tuple[Literal["approved", "canceled"], ...] = ("approved", "canceled")


class VerifyApi:
    """The routes under ``/v2``."""

    def __init__(self, account: Account, gate: Gate, provider: Provider, attempts: Attempts) -> None:
        self._account = account
        self._gate = gate
        self._provider = provider
        self._attempts = attempts

    def blueprint(self) -> Blueprint:
        """The routes, to be registered with an application."""
        routes = Blueprint("verify", __name__, url_prefix="/v2")
        for method, path, view in (
            ("GET", "/Services/<service_sid>", self.service),
            ("POST", "/Services/<service_sid>/Verifications", self.send),
            ("POST", "/Services/<service_sid>/VerificationCheck", self.check),
            ("GET", "/Services/<service_sid>/Verifications/<key>", self.fetch),
            ("POST", "/Services/<service_sid>/Verifications/<key>", self.update),
            ("GET", "/Attempts", self.list_attempts),
            ("GET", "/Attempts/Summary", self.summary),
        ):
            routes.add_url_rule(path, view.__name__, view, methods=[method])
        return routes

    def service(self, service_sid: str) -> Response:
        """GET the Service: how it is set up."""

        def work(_deliver: bool) -> tuple[int, dict[str, object]]:
            return 200, render.service(self._account, CODE_DIGITS, _base_url())

        return self._gate.serve("service", service_sid, _nobody, work)

    def send(self, service_sid: str) -> Response:
        """POST Verifications: send a code."""

        def work(deliver: bool) -> tuple[int, dict[str, object]]:
            sent = self._provider.send(_send_request(), deliver=deliver)
            return 201, render.verification(self._account, sent, _base_url())

        to, channel = request.form.get("To", ""), request.form.get("Channel", "")
        return self._gate.serve("send", service_sid, lambda: Subject(to, channel), work)

    def check(self, service_sid: str) -> Response:
        """POST VerificationCheck: try a code."""
        key = request.form.get("VerificationSid") or request.form.get("To", "")

        def work(_deliver: bool) -> tuple[int, dict[str, object]]:
            code = request.form.get("Code", "")
            if not 4 <= len(code) <= 10:
                raise invalid("Code", code)
            if not key:
                raise invalid("To", key)
            return 200, render.check(self._account, self._provider.check(key, code, _path()))

        return self._gate.serve("check", service_sid, self._about(key), work)

    def fetch(self, service_sid: str, key: str) -> Response:
        """GET a Verification, by sid or recipient."""

        def work(_deliver: bool) -> tuple[int, dict[str, object]]:
            found = self._provider.fetch(key, _path())
            return 200, render.verification(self._account, found, _base_url())

        return self._gate.serve("fetch", service_sid, self._about(key), work)

    def update(self, service_sid: str, key: str) -> Response:
        """POST to a Verification: approve or cancel it."""

        def work(_deliver: bool) -> tuple[int, dict[str, object]]:
            given = request.form.get("Status", "")
            status = next((ending for ending in _ENDINGS if ending == given), None)
            if status is None:
                raise invalid("Status", given)
            ended = self._provider.end(key, status, _path())
            return 200, render.verification(self._account, ended, _base_url())

        return self._gate.serve("update", service_sid, self._about(key), work)

    def list_attempts(self) -> Response:
        """GET Attempts: what was sent, newest first."""

        def work(_deliver: bool) -> tuple[int, dict[str, object]]:
            return 200, self._page(self._attempts.find(request.args))

        return self._gate.serve("attempts", self._asked_service(), _nobody, work)

    def summary(self) -> Response:
        """GET Attempts/Summary: how many were sent and used."""

        def work(_deliver: bool) -> tuple[int, dict[str, object]]:
            return 200, {**self._attempts.summary(request.args), "url": request.url}

        return self._gate.serve("attempts", self._asked_service(), _nobody, work)

    def _about(self, key: str) -> Callable[[], Subject]:
        def subject() -> Subject:
            found = self._provider.look_up(key)
            return Subject(found.to, found.channel) if found else Subject(key, "")

        return subject

    def _asked_service(self) -> str:
        return request.args.get("VerifyServiceSid") or self._account.service_sid

    def _page(self, rows: list[AttemptRow]) -> dict[str, object]:
        size = min(max(request.args.get("PageSize", 50, int), 1), 1000)
        page = max(request.args.get("Page", 0, int), 0)
        pages = max(-(-len(rows) // size), 1)

        def url(number: int) -> str | None:
            query = urlencode({**request.args.to_dict(), "PageSize": size, "Page": number})
            return f"{request.base_url}?{query}" if 0 <= number < pages else None

        shown = rows[page * size : (page + 1) * size]
        return {
            "attempts": [render.attempt(self._account, row, _base_url()) for row in shown],
            "meta": {
                "key": "attempts",
                "page": page,
                "page_size": size,
                "url": url(page),
                "first_page_url": url(0),
                "previous_page_url": url(page - 1),
                "next_page_url": url(page + 1),
            },
        }


def _nobody() -> Subject:
    return Subject("", "")


def _base_url() -> str:
    """Where the client found the sandbox; ``request.host_url`` would be a tenth of the work of a send."""
    return f"http://{request.headers.get('Host', 'localhost')}/"


def _path() -> str:
    return request.path.removeprefix("/v2")


def _send_request() -> Request:
    form = request.form
    to, channel, code = form.get("To", ""), form.get("Channel", ""), form.get("CustomCode")
    if channel not in CHANNELS:
        raise invalid("Channel", channel)
    if not (_EMAIL if channel == "email" else _E164).fullmatch(to):
        raise invalid("To", to)
    if code is not None and not _CUSTOM_CODE.fullmatch(code):
        raise invalid("CustomCode", code)
    return Request(to, channel, code, form.get("CustomFriendlyName") or "Sandbox")
