"""`otp-fallback webhooks`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from service.cli.output import as_json, core, fail, operator, require_application, table
from service.domain.errors import InvalidInput, NotFound, StateConflict, TooManyWebhooks, WebhookDisabled
from service.http.views import dead_letter_view, webhook_view

if TYPE_CHECKING:
    from service.flows.webhooks import ManageWebhooks


def show_all(json_output: bool) -> None:
    """List them."""
    with core() as c:
        views = [webhook_view(*found) for found in c.webhooks.all()]
    if json_output:
        as_json(views)
        return
    columns = ["id", "url", "enabled", "pending", "dead", "last_status", "paused_until"]
    flat = [{**view, **view["state"]} for view in views]
    table(columns, [[str("" if view[c] is None else view[c]) for c in columns] for view in flat])


def add(
    url: str, events: list[str], application: str | None, description: str | None, json_output: bool
) -> None:
    """Make one."""
    if application is not None:
        require_application(application)
    if description is not None and not (1 <= len(description) <= 500 and description.isprintable()):
        fail("--description: expected 1 to 500 printable characters")
    with _webhooks() as webhooks:
        made, secret = webhooks.create(
            url, operator(), events=events, application=application, description=description
        )
        view = webhook_view(*webhooks.get(made.id))
    if json_output:
        as_json({**view, "secret": secret})
    else:
        print(secret)
        print(f"{view['id']}: kept sealed; this secret is not shown again.")


def show(webhook_id: str, json_output: bool) -> None:
    """Show one."""
    with _webhooks() as webhooks:
        view = webhook_view(*webhooks.get(webhook_id))
    if json_output:
        as_json(view)
        return
    flat: dict[str, Any] = {**view, **view["state"], "events": ", ".join(view["events"]) or "all"}
    del flat["state"]
    for name, value in flat.items():
        print(f"{name}: {'-' if value is None else value}")


def remove(webhook_id: str, json_output: bool) -> None:
    """Remove one."""
    with _webhooks() as webhooks:
        webhooks.remove(webhook_id, operator())
    if json_output:
        as_json({"id": webhook_id, "removed": True})
    else:
        print(f"{webhook_id} is removed.")


def test(webhook_id: str, json_output: bool) -> None:
    """Send one a test message."""
    with _webhooks() as webhooks:
        message_id = webhooks.test(webhook_id)
    if json_output:
        as_json({"message_id": message_id})
    else:
        print(f"{message_id} is queued; `otp-fallback webhooks show {webhook_id}` tells how it goes.")


def dead(webhook_id: str, limit: int, json_output: bool) -> None:
    """List what was given up."""
    with _webhooks() as webhooks:
        views = [dead_letter_view(letter) for letter in webhooks.dead(webhook_id, limit)]
    if json_output:
        as_json(views)
        return
    columns = ["id", "message_id", "type", "timestamp", "last_status", "died_at"]
    table(columns, [[str(view[column]) for column in columns] for view in views])


def replay(webhook_id: str, ids: list[str], json_output: bool) -> None:
    """Send it again."""
    with _webhooks() as webhooks:
        replayed = webhooks.replay(webhook_id, operator(), ids or None)
    if json_output:
        as_json({"replayed": replayed})
    else:
        print(f"{replayed} messages are queued again.")


@contextmanager
def _webhooks() -> Iterator["ManageWebhooks"]:
    """What manages them; what it refuses is one clear line."""
    with core() as c:
        try:
            yield c.webhooks
        except InvalidInput as error:
            fail("\n".join(f"{fault.field}: {fault.message}" for fault in error.faults))
        except (NotFound, StateConflict, TooManyWebhooks, WebhookDisabled) as error:
            fail(error.detail, 1)
