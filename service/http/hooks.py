"""`/hooks`: what providers tell of their own accord. Authenticated by their signatures."""

from flask import Blueprint, Response, current_app, request
from pydantic import ValidationError

from service.app import Services
from service.domain.contacts import Phone
from service.domain.errors import InvalidInput, MalformedBody, SignatureInvalid
from service.edge import public_url
from service.flows.delivery_reports import Report
from service.http.problems import as_domain_error
from service.providers import twilio_events
from service.providers.twilio_events import CloudEvent, Message
from service.telemetry import logs

MAX_BATCH = 1024 * 1024  # bytes; larger than what Event Streams posts at once

api = Blueprint("hooks", __name__)

_log = logs.get("hooks")


@api.post("/hooks/twilio")
def twilio() -> Response:
    """Take Twilio's delivery reports: a batch of CloudEvents. What else is in it is passed over."""
    services: Services = current_app.extensions["otp"]
    request.max_content_length = MAX_BATCH
    body = request.get_data()
    _require_signature(services, body)
    if request.mimetype not in ("application/json", "application/cloudevents-batch+json"):
        raise MalformedBody("Send a batch of CloudEvents as JSON.")
    try:
        events = twilio_events.BATCH.validate_json(body)
    except ValidationError as error:
        raise as_domain_error(error) from None
    for event in events:
        report = _report(services, event)
        if report is not None:
            services.reports(report)
    return Response(status=204)


def _require_signature(services: Services, body: bytes) -> None:
    token = services.core.settings.twilio_auth_token
    signature = request.headers.get("X-Twilio-Signature", "")
    url = public_url(services.core.settings) + request.full_path.rstrip("?")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise MalformedBody("The body is not UTF-8.") from None
    if token is None or not twilio_events.is_signed(token.get_secret_value(), url, text, signature):
        raise SignatureInvalid("X-Twilio-Signature does not fit this URL and body.")


def _report(services: Services, event: CloudEvent) -> Report | None:
    kind = twilio_events.MESSAGE.fullmatch(event.type)
    if kind is None:
        return None
    try:
        message = Message.model_validate(event.data)
        phone = Phone.parse(message.to)
    except (ValidationError, InvalidInput):
        _log.warning("report_unreadable", type=event.type)  # whatever Twilio changed: the rest still counts
        return None
    channel = twilio_events.CHANNELS.get(message.channel.lower())
    if channel is None or message.service_sid != services.core.settings.twilio_verify_service_sid:
        return None
    return Report(
        id=event.id,
        channel=channel,
        status=kind[1],  # type: ignore[arg-type] # one of the five by the pattern
        phone=phone,
        verification=message.verification_sid,
        carrier=message.carrier(),
        error_code=message.code(),
        at=int(event.time.timestamp() * 1000) if event.time else services.core.clock(),
    )
