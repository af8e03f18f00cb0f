"""One verification's life, as Twilio Verify runs it. Pure: the time and every identifier are passed in.

The code stays the same until it is used or ten minutes have passed; a second send to the same number
belongs to the same verification.
"""

from dataclasses import dataclass, field
from typing import Literal

from service.sandbox.errors import Refusal

LIFE = 600.0  #: seconds a code lives
MAX_SENDS = 5  #: sends in one verification
MAX_CHECKS = 5  #: codes that may be tried in one verification

Status = Literal["pending", "approved", "canceled", "max_attempts_reached"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One message sent for a verification (Twilio's ``VL...``); ``time`` in Unix seconds."""

    sid: str
    channel: str
    time: float


@dataclass(slots=True)
class Verification:
    """A code on its way to one recipient; times in Unix seconds."""

    sid: str
    to: str
    code: str
    created_at: float
    updated_at: float
    channel: str = ""
    status: Status = "pending"
    checks: int = 0
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def expires_at(self) -> float:
        """When the code stops working."""
        return self.created_at + LIFE

    def is_live(self, now: float) -> bool:
        """Whether it can still be found: neither used, nor cancelled, nor expired."""
        return self.status in {"pending", "max_attempts_reached"} and now < self.expires_at

    def send(self, attempt: Attempt, custom_code: str | None) -> None:
        """Count one more message; ``custom_code`` replaces the code.

        Raises:
            Refusal: ``max_sends`` when five were sent.

        """
        if len(self.attempts) >= MAX_SENDS:
            raise Refusal("max_sends")
        if custom_code is not None:
            self.code = custom_code
        self.channel = attempt.channel
        self.attempts.append(attempt)
        self.updated_at = attempt.time

    def check(self, code: str, now: float) -> None:
        """Count one more try; the right code approves the verification and so ends it.

        Raises:
            Refusal: ``max_checks`` when five codes were tried; the status says so from then on.

        """
        self.updated_at = now
        if self.checks >= MAX_CHECKS:
            self.status = "max_attempts_reached"
            raise Refusal("max_checks")
        self.checks += 1
        if code == self.code:
            self.status = "approved"

    def end(self, status: Literal["approved", "canceled"], now: float) -> None:
        """Approve or cancel it from outside."""
        self.status = status
        self.updated_at = now
