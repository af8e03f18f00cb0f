"""Managing webhooks, and telling them what happened."""

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

import service
from service.domain.audit import AuditEntry, Who
from service.domain.codes import RandomBytes
from service.domain.errors import (
    FieldFault,
    InvalidInput,
    KeyUnusable,
    NotFound,
    StateConflict,
    TooManyWebhooks,
    WebhookDisabled,
)
from service.domain.events import told
from service.domain.hook_urls import parse_target
from service.domain.webhooks import (
    FORMER_SECRET,
    TEST,
    Message,
    Webhook,
    asked_wait,
    body_of,
    is_pattern,
    lane_of,
    signing,
)
from service.flows.courier import Courier, Delivered, Failed, Outcome
from service.providers.webhook import PostFailed, Refusal, WebhookClient, signed
from service.store.health import OutboxEvent
from service.store.hook_queue import Claimed, DeadLetter, DeliveryState, HookQueue, Queued
from service.store.webhooks import WebhookStore
from service.telemetry import logs, metrics

MOST = 50  # webhooks
SWEEP_EVERY = 60_000  # ms
READER = "webhooks"
SECRET_BYTES = 32
REPLAYED_AT_ONCE = 500
GONE = 410  # who answers so wants no more
ASKS_TO_WAIT = (429, 503)
THE_WORKER = Who("worker")

_TRIES = 5
_log = logs.get("webhooks")


class ManageWebhooks:
    """What operators do with webhooks."""

    def __init__(
        self,
        webhooks: WebhookStore,
        queue: HookQueue,
        client: WebhookClient,
        *,
        clock: Callable[[], int],
        random_bytes: RandomBytes,
    ) -> None:
        self._webhooks = webhooks
        self._queue = queue
        self._client = client
        self._clock = clock
        self._random_bytes = random_bytes

    def create(
        self,
        url: str,
        who: Who,
        *,
        events: Sequence[str] = (),
        application: str | None = None,
        description: str | None = None,
    ) -> tuple[Webhook, str]:
        """Make one. Returns it, and the secret that signs, which can't be had again.

        Raises:
            InvalidInput: it must not be sent there, or there is no such event.
            TooManyWebhooks: there are `MOST`.
        """
        self._require_target(url)
        _require_patterns(events)
        if len(self._webhooks.all()) >= MOST:
            raise TooManyWebhooks(f"There are {MOST} webhooks. Remove one first.")
        webhook_id = f"wh_{base64.urlsafe_b64encode(self._random_bytes(12)).decode()}"
        secret = self._new_secret()
        webhook = Webhook(
            id=webhook_id,
            url=url,
            events=tuple(events),
            application=application,
            description=description,
            secret=self._webhooks.seal(webhook_id, secret),
            created_at=self._clock(),
            version=1,
        )
        entry = self._entry(who, "webhook.create", webhook_id, after=_shown(webhook))
        if not self._webhooks.save(webhook, expected=0, entry=entry):
            raise StateConflict("A webhook with this id exists.")  # 96 random bits came twice
        return webhook, secret

    def all(self) -> list[tuple[Webhook, DeliveryState]]:
        """Every one, oldest first."""
        found = self._webhooks.all()
        return list(zip(found, self._queue.states([webhook.id for webhook in found]), strict=True))

    def get(self, webhook_id: str) -> tuple[Webhook, DeliveryState]:
        """One of them. Raises `NotFound`."""
        return self._find(webhook_id), self._queue.states([webhook_id])[0]

    def change(self, webhook_id: str, who: Who, changes: Mapping[str, Any]) -> Webhook:
        """Change `url`, `events`, `description` or `enabled`; raises as `create`, and `NotFound`."""
        if "url" in changes:
            self._require_target(changes["url"])
        _require_patterns(changes.get("events", ()))
        changed = self._update(webhook_id, who, "webhook.change", lambda webhook: replace(webhook, **changes))
        if changes.get("enabled") or "url" in changes:
            self._queue.probe_now(webhook_id, self._clock())
        return changed

    def rotate_secret(self, webhook_id: str, who: Who) -> tuple[Webhook, str]:
        """Give it a new secret; the present one signs beside it for a day. Raises `NotFound`."""
        secret = self._new_secret()
        sealed = self._webhooks.seal(webhook_id, secret)
        until = self._clock() + FORMER_SECRET

        def rotated(webhook: Webhook) -> Webhook:
            return replace(webhook, secret=sealed, former=webhook.secret, former_until=until)

        return self._update(webhook_id, who, "webhook.rotate_secret", rotated), secret

    def remove(self, webhook_id: str, who: Who) -> None:
        """Remove it and what waits for it. Raises `NotFound`."""
        for _ in range(_TRIES):
            webhook = self._find(webhook_id)
            entry = self._entry(who, "webhook.remove", webhook_id, before=_shown(webhook))
            if self._webhooks.remove(webhook, entry=entry):
                self._queue.forget(webhook_id)
                return
        raise _conflict()

    def test(self, webhook_id: str) -> str:
        """Send it a message, the way of all others. Returns the message's id.

        Raises:
            NotFound: there is none.
            WebhookDisabled: it is told nothing.
        """
        webhook, now = self._find(webhook_id), self._clock()
        if not webhook.enabled:
            raise WebhookDisabled("This webhook is disabled. Enable it first.")
        message_id = f"msg_test_{self._random_bytes(9).hex()}"
        message = Message(message_id, TEST, now, {"webhook": webhook_id})
        self._queue.put(READER, [Queued(webhook_id, message_id, message)], now)
        self._queue.probe_now(webhook_id, now)
        return message_id

    def dead(self, webhook_id: str, limit: int, before: str | None = None) -> list[DeadLetter]:
        """Messages that it did not take within a day, newest first. Raises `NotFound`."""
        self._find(webhook_id)
        return self._queue.dead(webhook_id, limit, before)

    def replay(self, webhook_id: str, who: Who, ids: Sequence[str] | None = None) -> int:
        """Send dead letters again, all or those named. Returns how many; raises `NotFound`."""
        self._find(webhook_id)
        now, revived = self._clock(), 0
        for letter in self._letters(webhook_id, ids):
            back = self._queue.revive(webhook_id, letter, now)
            if back is None:
                break
            revived += back
        self._webhooks.note(self._entry(who, "webhook.replay", webhook_id, after={"messages": revived}))
        self._queue.probe_now(webhook_id, now)
        return revived

    def disable_gone(self, webhook_id: str) -> None:
        """Its receiver says that it wants no more."""
        self._update(
            webhook_id,
            THE_WORKER,
            "webhook.disable",
            lambda webhook: replace(webhook, enabled=False),
            reason="it answered 410 Gone",
        )

    def _letters(self, webhook_id: str, ids: Sequence[str] | None) -> Iterable[DeadLetter]:
        if ids is not None:
            yield from self._queue.dead_by_id(webhook_id, ids)
            return
        after: str | None = None
        while page := self._queue.oldest_dead(webhook_id, REPLAYED_AT_ONCE, after):
            yield from page
            after = page[-1].id

    def _find(self, webhook_id: str) -> Webhook:
        webhook = self._webhooks.get(webhook_id)
        if webhook is None:
            raise NotFound("webhook")
        return webhook

    def _update(
        self,
        webhook_id: str,
        who: Who,
        action: str,
        change: Callable[[Webhook], Webhook],
        *,
        reason: str | None = None,
    ) -> Webhook:
        for _ in range(_TRIES):
            before = self._find(webhook_id)
            after = replace(change(before), version=before.version + 1)
            entry = self._entry(
                who, action, webhook_id, reason=reason, before=_shown(before), after=_shown(after)
            )
            if self._webhooks.save(after, expected=before.version, entry=entry):
                return after
        raise _conflict()

    def _require_target(self, url: str) -> None:
        try:
            self._client.check(url)
        except Refusal as refusal:
            raise InvalidInput(FieldFault("url", str(refusal))) from None

    def _new_secret(self) -> str:
        return f"whsec_{base64.b64encode(self._random_bytes(SECRET_BYTES)).decode()}"

    def _entry(self, who: Who, action: str, target: str, **known: Any) -> AuditEntry:
        return AuditEntry(
            at=self._clock(), actor=who.actor, origin=who.origin, action=action, target=target, **known
        )


class Delivery(NamedTuple):
    """A lane to tell a webhook of."""

    webhook: Webhook
    claimed: Claimed


class TellWebhooks:
    """Queues what webhooks are to be told, and tells them; the worker's part."""

    def __init__(
        self,
        webhooks: WebhookStore,
        queue: HookQueue,
        client: WebhookClient,
        manage: ManageWebhooks,
        *,
        clock: Callable[[], int],
        chance: Callable[[], float],
    ) -> None:
        self._webhooks = webhooks
        self._queue = queue
        self._client = client
        self._manage = manage
        self._courier = Courier(READER, queue, metrics.WEBHOOKS, clock=clock, chance=chance)
        self._clock = clock
        self._swept_at = 0

    def note(self, events: Sequence[OutboxEvent]) -> None:
        """Queue what webhooks are to be told of."""
        webhooks = self._webhooks.all()
        self._courier.queue(
            [
                one
                for event in events
                for one in _queued(event, [w for w in webhooks if w.wants(event.type, event.data)])
            ]
        )

    def claim(self) -> list[Delivery]:
        """Lanes to tell now."""
        webhooks = {webhook.id: webhook for webhook in self._webhooks.all()}
        self._sweep(webhooks)
        claimed = self._courier.claim(w.id for w in webhooks.values() if w.enabled)
        return [Delivery(webhooks[one.receiver], one) for one in claimed]

    def __call__(self, delivery: Delivery) -> None:
        """Tell what waits in a lane."""
        self._courier.carry(delivery.claimed, lambda message: self._tell(delivery.webhook, message))

    def _tell(self, webhook: Webhook, message: Message) -> Outcome:
        try:
            answered = self._client.post(webhook.url, *self._request(webhook, message))
        except PostFailed as failure:
            return Failed(str(failure))
        except KeyUnusable as error:
            return Failed(error.code)
        status = str(answered.status)
        if 200 <= answered.status < 300:
            return Delivered(status)
        if answered.status == GONE:
            _log.error("webhook_gone", webhook=webhook.id)
            self._manage.disable_gone(webhook.id)
        if answered.status in ASKS_TO_WAIT and answered.retry_after is not None:
            return Failed(status, asked_wait(answered.retry_after, self._clock()))
        return Failed(status)

    def _request(self, webhook: Webhook, message: Message) -> tuple[bytes, dict[str, str]]:
        now = self._clock()
        body = msgspec.json.encode(body_of(message))
        secrets = [self._webhooks.open(webhook.id, sealed) for sealed in signing(webhook, now)]
        return body, {
            "Content-Type": "application/json",
            "User-Agent": f"otp-fallback/{service.__version__}",
            **signed(body, message.id, secrets, now),
        }

    def _sweep(self, webhooks: Mapping[str, Webhook]) -> None:
        """Drop what was queued for a webhook while it was removed."""
        now = self._clock()
        if now - self._swept_at < SWEEP_EVERY:
            return
        for receiver in self._queue.receivers():
            if receiver.startswith("wh_") and receiver not in webhooks:
                self._queue.forget(receiver)
        self._swept_at = now


def _queued(event: OutboxEvent, webhooks: Sequence[Webhook]) -> Iterable[Queued]:
    data = told(event.type, event.data)
    if data is None:
        return
    message_id = f"msg_{event.partition}_{event.entry}"
    message = Message(message_id, event.type, event.at, data)
    lane = lane_of(event.type, event.data, message_id)
    for webhook in webhooks:
        yield Queued(webhook.id, lane, message, event.partition, event.entry)


def _require_patterns(events: Sequence[str]) -> None:
    for number, pattern in enumerate(events):
        if not is_pattern(pattern):
            raise InvalidInput(FieldFault(f"events.{number}", "no event has this type"))


def _shown(webhook: Webhook) -> dict[str, object]:
    """A webhook in the audit trail: its path may be as good as a password."""
    return {
        "origin": parse_target(webhook.url, https_only=False).origin,
        "events": list(webhook.events),
        "application": webhook.application,
        "description": webhook.description,
        "enabled": webhook.enabled,
        "version": webhook.version,
    }


def _conflict() -> StateConflict:
    return StateConflict("Others kept changing this webhook.", retry_after=1)
