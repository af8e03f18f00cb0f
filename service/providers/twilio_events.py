"""Twilio's Event Streams: CloudEvents about Verify's messages, posted to a webhook sink.

https://www.twilio.com/docs/events/webhook-quickstart, https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

import re
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, Field, TypeAdapter
from twilio.request_validator import RequestValidator

from service.domain.channels import Channel

MESSAGE = re.compile(
    r"com\.twilio\.accountsecurity\.verify\.message\.(sent|delivered|read|undelivered|failed)"
)
CHANNELS = {
    "sms": Channel.SMS,
    "call": Channel.VOICE,
    "voice": Channel.VOICE,
    "whatsapp": Channel.WHATSAPP,
}


class Message(BaseModel):
    """`data` of a message's event, as far as it is used here."""

    service_sid: str
    verification_sid: str
    channel: str
    to: str
    mcc: str | int | None = None
    mnc: str | int | None = None
    error_code: str | int | None = None

    def carrier(self) -> str | None:
        """Mobile country and network code, `404-10`; `None` where it is not known."""
        mcc, mnc = str(self.mcc or ""), "" if self.mnc is None else str(self.mnc)
        if not re.fullmatch(r"[2-7][0-9]{2}", mcc) or not re.fullmatch(r"[0-9]{1,3}", mnc):
            return None
        return f"{mcc}-{mnc.zfill(2)}"

    def code(self) -> str | None:
        """The error's number, which has five digits; `None` when there is none."""
        text = str(self.error_code or "")
        return text if re.fullmatch(r"[1-9][0-9]{4}", text) else None


class CloudEvent(BaseModel):
    """CloudEvents 1.0 in JSON."""

    id: str = Field(min_length=1, max_length=256)
    type: str = Field(max_length=256)
    time: datetime | None = None
    data: dict[str, Any] = Field(default_factory=dict)


BATCH: TypeAdapter[list[CloudEvent]] = TypeAdapter(list[CloudEvent])


def is_signed(token: str, url: str, body: str, signature: str) -> bool:
    """Whether Twilio signed a request: the URL by `X-Twilio-Signature`, the body by `bodySHA256` in it."""
    if "bodySHA256" not in parse_qs(urlsplit(url).query):
        return False  # the signature would not cover the body
    return bool(RequestValidator(token).validate(url, body, signature))
