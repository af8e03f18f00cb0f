"""Checks of Twilio: the address, the account, the Verify service. Nothing is sent to anybody."""

from service.domain.codes import DIGITS
from service.domain.failures import CheckFailure
from service.providers.twilio_http import ProxyUnusable
from service.runtime.doctor.finding import Finding, fail, ok, skip, warn
from service.runtime.doctor.site import Site

# https://www.twilio.com/docs/api/errors; words are those of `TwilioVerify`
_EXPLAINED: dict[str, tuple[str, str]] = {
    "20003": (
        "Twilio refuses the credentials",
        "set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN as the console shows them (or an SK... and its secret)",
    ),
    "20404": (
        "this Twilio account has no such Verify service",
        "set TWILIO_VERIFY_SERVICE_SID to the VA... that the console shows under Verify > Services",
    ),
    "20005": ("Twilio has suspended the account", "look into the Twilio console: balance, terms of use"),
    "20008": ("these are Twilio's test credentials", "set the account's live credentials"),
    "tls": (
        "its certificate is not trusted here, or TLS fails",
        "look at `certificate.twilio`, this machine's clock and CA certificates, and at proxies in between",
    ),
    "timeout": ("it does not answer", "let this machine reach it: firewall, DNS, HTTPS_PROXY"),
    "connection": ("it can't be reached", "let this machine reach it: firewall, DNS, HTTPS_PROXY"),
    "unreadable": (
        "what answers there does not speak Verify's API",
        "set TWILIO_VERIFY_BASE_URL to https://verify.twilio.com, or leave it unset",
    ),
}
_OTHER = "look the error up at https://www.twilio.com/docs/api/errors, and at https://status.twilio.com"


def service(site: Site) -> Finding:
    """Whether the account and its Verify service are there."""
    where = site.settings.twilio_verify_base_url
    try:
        found = site.verify_service
    except ProxyUnusable as error:
        return fail(str(error), "set it so, or unset it; NO_PROXY names hosts that are reached without")
    except CheckFailure as failure:
        what, mend = _EXPLAINED.get(failure.code, ("Twilio answers with an error", _OTHER))
        return fail(f"{where}: {what} ({failure.code})", mend)
    if found is None:
        return skip("no Twilio account is set: the sandbox is used, once `serve` runs")
    return ok(f"{where}: the Verify service {found.name!r} is there")


def code_length(site: Site) -> Finding:
    """Whether pages expect codes of the length that the service sends."""
    found = site.verify_service
    if found is None:
        return skip("no Twilio account is set")
    if site.settings.twilio_custom_code:
        if not found.custom_code:
            return fail(
                "OTP_TWILIO_CUSTOM_CODE is on, but the Verify service does not take codes of ours",
                "have Twilio's support enable CustomCode for the service, or unset OTP_TWILIO_CUSTOM_CODE",
            )
        return ok(f"codes are ours, {DIGITS} digits")
    expected = site.settings.twilio_code_length
    if found.code_length != expected:
        return warn(
            f"the Verify service sends codes of {found.code_length} digits, and pages expect {expected}",
            f"set OTP_TWILIO_CODE_LENGTH={found.code_length}",
        )
    return ok(f"codes have {expected} digits")
