"""Domain values as Twilio's resources, every field of them."""

import time
from typing import Any

from service.domain.challenge import Challenge, Subject
from service.domain.channels import Channel
from service.http.twilio import sids
from service.http.twilio.endpoint import Call

STATUSES = {"locked": "max_attempts_reached"}  # all others have the same name there
CHANNELS = {Channel.VOICE: "call"}  # likewise


def verification(call: Call, challenge: Challenge, subject: Subject) -> dict[str, Any]:
    """A Verification. `channel` is the one to answer by now."""
    sid = sids.of_id("VE", challenge.id)
    return {
        **_common(call, challenge, subject, sid),
        "lookup": {"carrier": None},
        "send_code_attempts": [
            {"time": iso(at), "channel": channel_name(channel), "attempt_sid": sids.of_send(challenge.id, n)}
            for n, (channel, at) in enumerate(challenge.sent_log)
        ],
        "sna": None,
        "url": f"{call.url}/Verifications/{sid}",
    }


def check(call: Call, challenge: Challenge, subject: Subject) -> dict[str, Any]:
    """A VerificationCheck."""
    sid = sids.of_id("VE", challenge.id)
    return {**_common(call, challenge, subject, sid), "sna_attempts_error_codes": None}


def status_of(challenge: Challenge, now: int) -> str:
    """A challenge's status in Twilio's words."""
    status = challenge.status_at(now)
    if status == "canceled" and challenge.vouched:
        return "approved"
    return STATUSES.get(status, status)


def channel_name(channel: Channel) -> str:
    """A channel in Twilio's words; `totp` and `backup_code`, which it has not, in ours."""
    return CHANNELS.get(channel, channel.value)


def updated_at(challenge: Challenge) -> int:
    """When a challenge changed last, as far as it says (ms)."""
    moved = [switch.at for switch in challenge.switches]
    sent = [at for _, at in challenge.sent_log]
    return max(challenge.created_at, challenge.ended_at, *moved, *sent)


def page(key: str, url: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """A list that fits on one page."""
    url = f"{url}?PageSize=50&Page=0"
    meta = {"page": 0, "page_size": 50, "first_page_url": url, "previous_page_url": None, "url": url}
    return {key: items, "meta": {**meta, "next_page_url": None, "key": key}}


def iso(at: int) -> str:
    """A time (ms since the epoch) as Twilio writes it, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at // 1000))


def _common(call: Call, challenge: Challenge, subject: Subject, sid: str) -> dict[str, Any]:
    status = status_of(challenge, call.services.core.clock())
    channel = challenge.approved_by or challenge.channel or challenge.entries[0].channel
    return {
        "sid": sid,
        "service_sid": call.service_sid,
        "account_sid": call.account_sid,
        "to": subject.to,
        "channel": channel_name(channel),
        "status": status,
        "valid": status == "approved",
        "amount": None,
        "payee": None,
        "date_created": iso(challenge.created_at),
        "date_updated": iso(updated_at(challenge)),
    }
