"""Checks of this machine's clock: codes of authenticator apps change every 30 seconds."""

from email.utils import parsedate_to_datetime

import requests

from service.runtime.doctor.finding import Finding, fail, ok, skip, warn
from service.runtime.doctor.site import PATIENCE, Site

NOTICEABLE, TOO_MUCH = 2_000, 30_000  # ms


def compared(whose: str, ours: int, theirs: int, uncertain: float) -> Finding:
    """Compare two clocks.

    Args:
        whose: the other clock.
        ours: ms since the epoch.
        theirs: likewise.
        uncertain: ms by which the comparison may be wrong.

    """
    apart = max(abs(ours - theirs) - uncertain, 0)
    told = f"this machine's clock and that of {whose} are {apart / 1000:.0f} s apart"
    mend = "keep both by NTP: `timedatectl set-ntp true`, or chrony"
    if apart >= TOO_MUCH:
        return fail(f"{told}: right codes of authenticator apps are refused", mend)
    if apart >= NOTICEABLE:
        return warn(told, mend)
    return ok(f"this machine's clock and that of {whose} agree")


def twilio(site: Site) -> Finding:
    """Whether Twilio's clock and ours agree, by the `Date` of an answer."""
    if site.settings.twilio_account_sid is None:
        return skip("no Twilio account is set")
    before = site.clock()
    try:
        answer = requests.head(site.settings.twilio_verify_base_url, timeout=PATIENCE, allow_redirects=False)
        theirs = int(parsedate_to_datetime(answer.headers["Date"]).timestamp() * 1000) + 500
    except (requests.RequestException, KeyError, ValueError):
        return skip("Twilio's address tells no time")
    after = site.clock()
    return compared("Twilio", (before + after) // 2, theirs, 500 + (after - before) / 2)
