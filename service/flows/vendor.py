"""Telling the provider how verifications ended: unconverted ones count against the account there.

Best effort and never in the user's way: the worker does it, a lease is the back-off, and what outlives the
challenge's record is let go, since the verification has expired by then too.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from service.channels.phone import PhoneCodes
from service.domain.challenge import Challenge, Entry
from service.domain.routes import CHECK_ROUTE
from service.flows.gates import Gates
from service.store.challenges import ChallengeStore
from service.store.health import OutboxEvent
from service.store.numbers import VERIFICATION_LIFE

ENDINGS = frozenset(f"challenge.{kind}" for kind in ("approved", "locked", "canceled", "expired"))
RETRY = 30_000  # ms
DEADLINE = 5.0  # seconds
AT_ONCE = 20


class TellVendor:
    """Cancels, or approves, verifications that were not ended by the provider's own check."""

    def __init__(
        self,
        challenges: ChallengeStore,
        phone_codes: PhoneCodes | None,
        gates: Gates,
        *,
        clock: Callable[[], int],
    ) -> None:
        self._challenges = challenges
        self._phone_codes = phone_codes
        self._gates = gates
        self._clock = clock

    def note(self, events: Sequence[OutboxEvent]) -> None:
        """Remember which challenges ended with a verification at the provider."""
        ids = [e.data["id"] for e in events if e.type in ENDINGS and e.data.get("verifications")]
        if ids and self._phone_codes is not None:
            self._challenges.note_for_vendor(ids, self._clock())

    def claim(self) -> list[str]:
        """Challenges to tell of now; none while the provider does not answer."""
        if self._phone_codes is None or CHECK_ROUTE in self._gates.trouble():
            return []
        return self._challenges.claim_for_vendor(self._clock(), lease=RETRY, limit=AT_ONCE)

    def __call__(self, challenge_id: str) -> None:
        """Tell of one challenge; what can't be told now is claimed again later."""
        challenge = self._challenges.get(challenge_id, None)
        let_go = challenge is None or self._clock() > challenge.created_at + VERIFICATION_LIFE
        if challenge is None or let_go or all(self._told(challenge, e) for e in challenge.entries):
            self._challenges.vendor_told(challenge_id)

    def _told(self, challenge: Challenge, entry: Entry) -> bool:
        if entry.ref is None or self._phone_codes is None:
            return True
        approved = challenge.approved_by == entry.channel
        if approved and not entry.own_code:
            return True  # by the provider itself
        phone = self._challenges.open(challenge).phone
        if phone is None:
            return True
        for other in self._phone_codes.sharers(phone, entry.ref):
            if other != challenge.id and self._waits(other):
                return False  # its user may still answer with the same code
        status: Literal["approved", "canceled"] = "approved" if approved else "canceled"
        got_in = challenge.status == "approved"
        return self._phone_codes.finish(phone, entry.ref, status, got_in=got_in, deadline=DEADLINE)

    def _waits(self, challenge_id: str) -> bool:
        challenge = self._challenges.get(challenge_id, None)
        return challenge is not None and challenge.status_at(self._clock()) == "pending"
