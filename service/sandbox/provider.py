"""What Twilio Verify does with a request, once nothing stops it: the use cases over the verifications."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from service.sandbox.errors import not_found
from service.sandbox.messages import Messages
from service.sandbox.storage import Database, VerificationRows
from service.sandbox.tally import Tally
from service.sandbox.verifications import Attempt, Verification

CODE_DIGITS = 6
SENDERS = {
    "sms": "+18885550142",
    "call": "+18885550142",
    "whatsapp": "whatsapp:+18885550142",
    "email": "verify@sandbox.invalid",
}


@dataclass(frozen=True, slots=True)
class Request:
    """A request to send a code, its parameters already looked at."""

    to: str
    channel: str
    custom_code: str | None = None
    friendly_name: str = "Sandbox"


class Provider:
    """Sends, checks and ends verifications.

    Args:
        database: where verifications are kept.
        messages: where codes are delivered.
        tally: told which verifications are ended from outside.
        clock: Unix time in seconds.
        source: where codes and identifiers come from.

    """

    def __init__(
        self,
        database: Database,
        messages: Messages,
        tally: Tally,
        *,
        clock: Callable[[], float] = time.time,
        source: random.Random | None = None,
    ) -> None:
        self._database = database
        self._rows = VerificationRows(database)
        self._messages = messages
        self._tally = tally
        self._clock = clock
        self._random = source or random.SystemRandom()

    def send(self, request: Request, *, deliver: bool = True) -> Verification:
        """Start a verification or repeat the live one's code; undelivered, nothing reaches the inbox."""
        now = self._clock()
        attempt = Attempt(self._sid("VL"), request.channel, now)
        with self._database.transaction():
            verification = self._rows.live(request.to, now)
            if verification is None:
                code = f"{self._random.randrange(10**CODE_DIGITS):0{CODE_DIGITS}d}"
                verification = Verification(self._sid("VE"), request.to, code, now, now)
                verification.send(attempt, request.custom_code)
                self._rows.insert(verification)
            else:
                verification.send(attempt, request.custom_code)
                self._rows.update(verification)
            self._rows.add_attempt(verification)
            if deliver:
                self._deliver(request, verification)
        return verification

    def check(self, key: str, code: str, path: str) -> Verification:
        """Try a code on the live verification of that sid or recipient; a right one approves it.

        ``path`` is the resource asked for, here and below: a 404 names it.
        """
        now = self._clock()
        verification = self._live(key, path)
        try:
            verification.check(code, now)
        finally:
            with self._database.transaction():
                self._rows.update(verification)
                if verification.status == "approved":
                    self._rows.convert(verification)
        return verification

    def fetch(self, key: str, path: str) -> Verification:
        """The live verification of that sid or recipient."""
        return self._live(key, path)

    def end(self, key: str, status: Literal["approved", "canceled"], path: str) -> Verification:
        """Approve or cancel the live verification of that sid or recipient."""
        verification = self._live(key, path)
        verification.end(status, self._clock())
        self._tally.updated(verification.sid, status)
        with self._database.transaction():
            self._rows.update(verification)
            if status == "approved":
                self._rows.convert(verification)
        return verification

    def look_up(self, key: str) -> Verification | None:
        """Whatever is known under a sid or a recipient, live or not (a recipient: live only)."""
        return self._rows.by_sid(key) if key.startswith("VE") else self._rows.live(key, self._clock())

    def _live(self, key: str, path: str) -> Verification:
        verification = self.look_up(key)
        if verification is None or not verification.is_live(self._clock()):
            raise not_found(path)
        return verification

    def _sid(self, prefix: str) -> str:
        return f"{prefix}{self._random.getrandbits(128):032x}"

    def _deliver(self, request: Request, verification: Verification) -> None:
        code = verification.code
        spoken = ", ".join(code) if request.channel == "call" else code
        self._messages.add(
            channel=request.channel,
            to=request.to,
            sender=SENDERS[request.channel],
            subject=f"Your {request.friendly_name} verification code" if request.channel == "email" else None,
            text=f"Your {request.friendly_name} verification code is: {spoken}",
            code=code,
        )
