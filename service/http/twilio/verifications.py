"""`Verifications` and `VerificationCheck`."""

import ipaddress
from typing import Any

from flask import Blueprint

from service.domain.api_keys import Scope
from service.domain.channels import Channel
from service.domain.contacts import Email, Phone, contact
from service.domain.errors import FieldFault, InvalidInput, NotFound
from service.flows.verifications import VerificationRequest
from service.http.twilio import problems, render, sids
from service.http.twilio.endpoint import Call, endpoint
from service.i18n import negotiate

CHANNELS = {
    "sms": Channel.SMS,
    "call": Channel.VOICE,
    "whatsapp": Channel.WHATSAPP,
    "email": Channel.EMAIL,
    "auto": Channel.SMS,  # "the best one", of Twilio's choice; here, where the plan begins
    "rcs": Channel.SMS,  # which Twilio itself sends to phones that have no RCS
}
# What would have to be honoured for the login to be what its caller believes, and is not.
UNSUPPORTED = ("CustomCode", "Amount", "Payee")
ENDINGS = {"canceled": False, "approved": True}
LONGEST_CODE = 64  # characters; a backup code with blanks and hyphens

api = Blueprint("twilio_verifications", __name__)
problems.register(api)


@endpoint(api, "POST", "/Verifications", scope=Scope.CHALLENGES, status=201)
def send_verification(call: Call) -> dict[str, Any]:
    """Send a code, or fall back; while one of this number is pending, again."""
    for name in UNSUPPORTED:
        if call.given(name) is not None:
            raise InvalidInput(FieldFault(name, "not supported"))
    named = call.required("Channel")
    channel = CHANNELS.get(named)
    if channel is None:
        raise InvalidInput(FieldFault("Channel", f"expected one of {', '.join(CHANNELS)}"))
    to = _plus(call.required("To"))
    locale = call.given("Locale", longest=32)
    request = VerificationRequest(
        application=call.application,
        to=Email.parse(to, "To") if channel is Channel.EMAIL else Phone.parse(to, "To"),
        channel=channel,
        locale=negotiate([locale] if locale else []),
        client_ip=_address(call.given("DeviceIp", longest=64)),
    )
    return render.verification(call, *call.services.verifications.send(request))


@endpoint(api, "GET", "/Verifications/<key>", scope=Scope.CHALLENGES)
def fetch_verification(call: Call) -> dict[str, Any]:
    """Read one, by its SID or, while it is pending, by its number or address."""
    found = call.services.verifications.find(call.application, _key(call.path["key"]))
    return render.verification(call, *found)


@endpoint(api, "POST", "/Verifications/<key>", scope=Scope.CHALLENGES)
def update_verification(call: Call) -> dict[str, Any]:
    """End one; `approved` says that the caller had it answered elsewhere."""
    ending = call.required("Status")
    if ending not in ENDINGS:
        raise InvalidInput(FieldFault("Status", f"expected one of {', '.join(ENDINGS)}"))
    ended = call.services.verifications.end(call.application, _key(call.path["key"]), vouched=ENDINGS[ending])
    return render.verification(call, *ended)


@endpoint(api, "POST", "/VerificationCheck", scope=Scope.CHALLENGES)
def check_verification(call: Call) -> dict[str, Any]:
    """Check a code; of whichever channel, wrong ones are no error."""
    code = call.required("Code", longest=LONGEST_CODE)
    sid, to = call.given("VerificationSid"), call.given("To")
    named = contact(_plus(to), "To") if to is not None else None
    key = _key(sid) if sid is not None else named
    if key is None:
        raise InvalidInput(FieldFault("To", "missing"))
    verdict, subject = call.services.verifications.check(call.application, key, code, to=named)
    return render.check(call, verdict.challenge, subject)


def _key(text: str) -> str | Phone | Email:
    """The id of a challenge by its SID, or a number or address."""
    if sids.is_sid(text, "VE"):
        return sids.challenge_id(text)
    try:
        return contact(text, "To")
    except InvalidInput:
        raise NotFound("verification") from None


def _plus(text: str) -> str:
    """A number whose plus sign was not encoded, as by `curl -d To=+1415…`: a form has it as a blank."""
    return f"+{text[1:]}" if text.startswith(" ") else text


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidInput(FieldFault("DeviceIp", "expected an IP address")) from None


@api.route("/v2/", defaults={"rest": ""})
@api.route("/v2/<anything:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def unknown(rest: str) -> Any:
    """What Twilio has, and this has not."""
    raise NotFound("resource")
