"""The inbox page: messages as they arrive, and a panel of failures. JavaScript makes it live, no more."""

from collections.abc import Callable
from pathlib import Path

from flask import Blueprint, Response, redirect, render_template, request, send_from_directory
from markupsafe import Markup, escape
from werkzeug.wrappers import Response as BaseResponse

from service.sandbox.failures import (
    API_KINDS,
    CHANNELS,
    MAIL_KINDS,
    OPERATIONS,
    Failures,
    MalformedRuleError,
    describe,
)
from service.sandbox.messages import Message, Messages

SHOWN = 100  #: messages on the page
POLL = 25.0  #: seconds one request for new messages waits

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self';"
    " frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_MAIL_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:;"
    " form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)


def blueprint(messages: Messages, failures: Failures, release: Callable[[int | None], None]) -> Blueprint:
    """The page's routes; ``release`` as in the control API."""
    here = Path(__file__).parent
    routes = Blueprint("inbox", __name__, template_folder=str(here))
    routes.add_app_template_filter(mark_code)

    def page(error: str = "", status: int = 200) -> Response:
        found = messages.find(limit=SHOWN)
        body = render_template(
            "page.html",
            messages=found,
            newest=found[0].id if found else 0,
            rules=[describe(rule) for rule in failures.list()],
            kinds={"Twilio Verify": API_KINDS, "Mail": MAIL_KINDS},
            operations=OPERATIONS,
            channels=CHANNELS,
            error=error,
        )
        return _html(body, status)

    @routes.get("/")
    def show() -> Response:
        return page()

    @routes.get("/inbox/messages")
    def newer() -> Response:
        """Rendered messages after an id, once there are any; the newest id is in a header."""
        after = request.args.get("after", 0, int)
        found = messages.wait(POLL, after=after, limit=SHOWN)
        response = _html(render_template("messages.html", messages=found))
        response.headers["X-Newest"] = str(found[0].id if found else after)
        return response

    @routes.get("/inbox/failures")
    def rules() -> Response:
        return _html(render_template("rules.html", rules=[describe(rule) for rule in failures.list()]))

    @routes.get("/inbox/mail/<int:message_id>")
    def mail(message_id: int) -> Response:
        """A mail's HTML, for a sandboxed frame: no scripts, no forms, nothing fetched."""
        message = messages.get(message_id)
        response = _html((message and message.html) or "", 200 if message else 404)
        response.headers["Content-Security-Policy"] = _MAIL_POLICY
        return response

    @routes.post("/inbox/failures")
    def add() -> BaseResponse:
        """The panel's form."""
        try:
            failures.add(_form_rule())
        except MalformedRuleError as error:
            return page(str(error), 422)
        return redirect("/", 303)

    @routes.post("/inbox/failures/remove")
    def remove() -> BaseResponse:
        rule_id = request.form.get("id", None, int)
        failures.remove(rule_id)
        release(rule_id)
        return redirect("/", 303)

    @routes.post("/inbox/messages/clear")
    def clear() -> BaseResponse:
        messages.clear()
        return redirect("/", 303)

    @routes.get("/inbox/assets/<name>")
    def asset(name: str) -> Response:
        if name not in {"inbox.css", "inbox.js", "icon.svg"}:
            return Response(status=404)
        response = send_from_directory(here, name)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return routes


def mark_code(message: Message) -> Markup:
    """The message's text with its code marked."""
    text, code = message.text, message.code or ""
    if message.channel == "call":
        code = ", ".join(code)
    before, found, after = text.partition(code) if code else (text, "", "")
    return escape(before) + (Markup("<mark>{}</mark>").format(found) if found else "") + escape(after)


def _form_rule() -> dict[str, object]:
    rule: dict[str, object] = {name: value.strip() for name, value in request.form.items() if value.strip()}
    for name in {"share", "delay"} & rule.keys():
        try:
            rule[name] = float(str(rule[name]))
        except ValueError:
            raise MalformedRuleError(name, "a number") from None
    return rule


def _html(body: str, status: int = 200) -> Response:
    response = Response(body, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
