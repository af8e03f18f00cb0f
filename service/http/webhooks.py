"""`/v1/ops/webhooks`: who is told of events."""

from flask import Blueprint

from service.domain.api_keys import Scope
from service.http.endpoint import ENTRY_ID, Answer, Call, endpoint, entry_before, who, whole_number
from service.http.schemas.common import EmptyRequest
from service.http.schemas.webhooks import (
    DeadLettersView,
    ReplayRequest,
    ReplayView,
    WebhookChangeRequest,
    WebhookRequest,
    WebhooksView,
    WebhookTestView,
    WebhookView,
    WebhookWithSecretView,
)
from service.http.views import dead_letter_view, webhook_view

MOST = 500  # dead letters in one answer

api = Blueprint("webhooks", __name__)


@endpoint(
    api,
    "POST",
    "/v1/ops/webhooks",
    scope=Scope.OPS,
    body=WebhookRequest,
    answers={201: WebhookWithSecretView},
    errors=("too_many_webhooks", "state_conflict"),
)
def create_webhook(call: Call[WebhookRequest]) -> Answer:
    """Make a webhook. Its secret is in this answer only."""
    asked, webhooks = call.body, call.services.webhooks
    made, secret = webhooks.create(
        asked.url,
        who(call),
        events=asked.events,
        application=asked.application,
        description=asked.description,
    )
    return Answer({**webhook_view(*webhooks.get(made.id)), "secret": secret}, 201)


@endpoint(api, "GET", "/v1/ops/webhooks", scope=Scope.OPS, answers={200: WebhooksView})
def list_webhooks(call: Call[EmptyRequest]) -> Answer:
    """List webhooks, and how telling them goes."""
    return Answer({"webhooks": [webhook_view(*found) for found in call.services.webhooks.all()]})


@endpoint(
    api,
    "GET",
    "/v1/ops/webhooks/{id}",
    scope=Scope.OPS,
    answers={200: WebhookView},
    errors=("webhook_not_found",),
)
def get_webhook(call: Call[EmptyRequest]) -> Answer:
    """Read a webhook, and how telling it goes."""
    return Answer(webhook_view(*call.services.webhooks.get(call.path["id"])))


@endpoint(
    api,
    "PATCH",
    "/v1/ops/webhooks/{id}",
    scope=Scope.OPS,
    body=WebhookChangeRequest,
    answers={200: WebhookView},
    errors=("webhook_not_found", "state_conflict"),
)
def change_webhook(call: Call[WebhookChangeRequest]) -> Answer:
    """Change a webhook; what is not named stays."""
    webhooks, webhook_id = call.services.webhooks, call.path["id"]
    asked = call.body.model_dump(exclude_unset=True)
    changes = {name: value for name, value in asked.items() if value is not None or name == "description"}
    webhooks.change(webhook_id, who(call), changes)
    return Answer(webhook_view(*webhooks.get(webhook_id)))


@endpoint(
    api,
    "DELETE",
    "/v1/ops/webhooks/{id}",
    scope=Scope.OPS,
    answers={204: None},
    errors=("webhook_not_found", "state_conflict"),
)
def remove_webhook(call: Call[EmptyRequest]) -> Answer:
    """Remove a webhook and what waits for it."""
    call.services.webhooks.remove(call.path["id"], who(call))
    return Answer(None, 204)


@endpoint(
    api,
    "POST",
    "/v1/ops/webhooks/{id}/rotate-secret",
    scope=Scope.OPS,
    answers={200: WebhookWithSecretView},
    errors=("webhook_not_found", "state_conflict"),
)
def rotate_webhook_secret(call: Call[EmptyRequest]) -> Answer:
    """Give a webhook a new secret; for a day both sign."""
    webhooks, webhook_id = call.services.webhooks, call.path["id"]
    _, secret = webhooks.rotate_secret(webhook_id, who(call))
    return Answer({**webhook_view(*webhooks.get(webhook_id)), "secret": secret})


@endpoint(
    api,
    "POST",
    "/v1/ops/webhooks/{id}/test",
    scope=Scope.OPS,
    answers={202: WebhookTestView},
    errors=("webhook_not_found", "webhook_disabled"),
)
def test_webhook(call: Call[EmptyRequest]) -> Answer:
    """Send a webhook a message of type `webhook.test`, the way of all others."""
    return Answer({"message_id": call.services.webhooks.test(call.path["id"])}, 202)


@endpoint(
    api,
    "GET",
    "/v1/ops/webhooks/{id}/dead",
    scope=Scope.OPS,
    answers={200: DeadLettersView},
    errors=("webhook_not_found",),
    query={
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "description": "50 unless told"},
        "before": {
            "type": "string",
            "pattern": ENTRY_ID,
            "description": "`next` of the answer before",
        },
    },
)
def list_dead_letters(call: Call[EmptyRequest]) -> Answer:
    """List messages that a webhook did not take within a day, newest first."""
    before = entry_before("`next` of the answer before")
    limit = whole_number("limit", 50, 1, MOST)
    letters = call.services.webhooks.dead(call.path["id"], limit, before)
    following = letters[-1].id if len(letters) == limit else None
    return Answer({"messages": [dead_letter_view(letter) for letter in letters], "next": following})


@endpoint(
    api,
    "POST",
    "/v1/ops/webhooks/{id}/replay",
    scope=Scope.OPS,
    body=ReplayRequest,
    answers={200: ReplayView},
    errors=("webhook_not_found", "state_conflict"),
)
def replay_dead_letters(call: Call[ReplayRequest]) -> Answer:
    """Send dead letters again, all or those named."""
    return Answer({"replayed": call.services.webhooks.replay(call.path["id"], who(call), call.body.ids)})
