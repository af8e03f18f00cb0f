"""`/console/webhooks`: who is told, how that goes, and what could not be told."""

from flask import Response, request

from service.domain.errors import WebhookDisabled
from service.domain.hook_urls import parse_target
from service.flows.operators import Operator
from service.web.console.frame import PATH, console_pages, for_operators, show, who
from service.web.pages import goto, services

DEAD_SHOWN = 50

api = console_pages("webhooks")


@for_operators(api, "GET", "/webhooks")
def webhooks(operator: Operator) -> Response:
    """All of them."""
    return _page(operator)


@for_operators(api, "GET", "/webhooks/<webhook_id>")
def webhook(operator: Operator, webhook_id: str) -> Response:
    """One, with its dead letters."""
    found, state = services().webhooks.get(webhook_id)
    return show(
        "webhook.html",
        operator,
        {
            "webhook": found,
            "origin": _origin(found.url),
            "state": state,
            "dead": services().webhooks.dead(webhook_id, DEAD_SHOWN),
            "done": {"tested": "A test message waits to be sent.", "replayed": "They are sent again."}.get(
                request.args.get("done", "")
            ),
        },
    )


@for_operators(api, "POST", "/webhooks/<webhook_id>/test", may_change=True, restored="/webhooks")
def test_webhook(operator: Operator, webhook_id: str) -> Response:
    """Send it a message."""
    try:
        services().webhooks.test(webhook_id)
    except WebhookDisabled as error:
        return _page(operator, error.detail, 409)
    return goto(f"{PATH}/webhooks/{webhook_id}?done=tested")


@for_operators(api, "POST", "/webhooks/<webhook_id>/replay", may_change=True, restored="/webhooks")
def replay_webhook(operator: Operator, webhook_id: str) -> Response:
    """Send its dead letters again."""
    services().webhooks.replay(webhook_id, who(operator))
    return goto(f"{PATH}/webhooks/{webhook_id}?done=replayed")


def _page(operator: Operator, trouble: str | None = None, status: int = 200) -> Response:
    found = [(one, _origin(one.url), state) for one, state in services().webhooks.all()]
    return show("webhooks.html", operator, {"webhooks": found, "trouble": trouble}, status=status)


def _origin(url: str) -> str:
    """Where it is, without its path, which may be as good as a password."""
    return parse_target(url, https_only=False).origin
