"""The JSON of Twilio Verify's resources, every field of them."""

import time

from service.sandbox.attempts import AttemptRow
from service.sandbox.countries import country_of
from service.sandbox.gate import Account
from service.sandbox.verifications import Verification


def service(account: Account, code_length: int, base_url: str) -> dict[str, object]:
    """The Service."""
    url = f"{base_url}v2/Services/{account.service_sid}"
    return {
        "sid": account.service_sid,
        "account_sid": account.account_sid,
        "friendly_name": "Sandbox",
        "code_length": code_length,
        "lookup_enabled": False,
        "psd2_enabled": False,
        "skip_sms_to_landlines": False,
        "dtmf_input_required": True,
        "tts_name": None,
        "do_not_share_warning_enabled": False,
        "custom_code_enabled": True,
        "push": None,
        "totp": None,
        "default_template_sid": None,
        "whatsapp": None,
        "passkeys": None,
        "verify_event_subscription_enabled": False,
        "date_created": _iso(0),
        "date_updated": _iso(0),
        "url": url,
        "links": {
            "verifications": f"{url}/Verifications",
            "verification_checks": f"{url}/VerificationCheck",
        },
    }


def verification(account: Account, found: Verification, base_url: str) -> dict[str, object]:
    """A Verification."""
    return {
        **_common(account, found),
        "lookup": {"carrier": None},
        "send_code_attempts": [
            {"time": _iso(attempt.time), "channel": attempt.channel, "attempt_sid": attempt.sid}
            for attempt in found.attempts
        ],
        "sna": None,
        "url": f"{base_url}v2/Services/{account.service_sid}/Verifications/{found.sid}",
    }


def check(account: Account, found: Verification) -> dict[str, object]:
    """A VerificationCheck."""
    return {**_common(account, found), "sna_attempts_error_codes": None}


def attempt(account: Account, row: AttemptRow, base_url: str) -> dict[str, object]:
    """An Attempt."""
    return {
        "sid": row.sid,
        "account_sid": account.account_sid,
        "service_sid": account.service_sid,
        "verification_sid": row.verification_sid,
        "date_created": _iso(row.created_at),
        "date_updated": _iso(row.converted_at or row.created_at),
        "conversion_status": "unconverted" if row.converted_at is None else "converted",
        "channel": row.channel,
        "price": None,
        "channel_data": {
            "to": row.to,
            "country": country_of(row.to),
            "message_status": "sent",
            "error_code": None,
        },
        "url": f"{base_url}v2/Attempts/{row.sid}",
    }


def _common(account: Account, found: Verification) -> dict[str, object]:
    return {
        "sid": found.sid,
        "service_sid": account.service_sid,
        "account_sid": account.account_sid,
        "to": found.to,
        "channel": found.channel,
        "status": found.status,
        "valid": found.status == "approved",
        "amount": None,
        "payee": None,
        "date_created": _iso(found.created_at),
        "date_updated": _iso(found.updated_at),
    }


def _iso(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
