"""Where a caller stands with limits, as header fields (draft-ietf-httpapi-ratelimit-headers)."""

from collections.abc import Sequence

from service.domain.challenge import Challenge
from service.domain.limits import ATTEMPTS, SENDS, Standing

POLICY, LEFT = "RateLimit-Policy", "RateLimit"


def fields(standings: Sequence[Standing]) -> dict[str, str]:
    """The fields; none for no limit. No partition key is told: whose limit it is, is personal."""
    if not standings:
        return {}
    return {
        POLICY: ", ".join(f'"{s.name}";q={s.limit};w={s.window}' for s in standings),
        LEFT: ", ".join(f'"{s.name}";r={s.remaining};t={s.reset}' for s in standings),
    }


def attempts(challenge: Challenge, now: int) -> Standing:
    """The codes that may still be tried in a challenge."""
    return _of(ATTEMPTS, challenge, now, challenge.max_attempts, challenge.attempts_remaining())


def sends(challenge: Challenge, now: int, most: int) -> Standing:
    """The messages that a challenge may still send."""
    return _of(SENDS, challenge, now, most, max(0, most - challenge.sends))


def _of(name: str, challenge: Challenge, now: int, most: int, left: int) -> Standing:
    life = (challenge.expires_at - challenge.created_at) // 1000
    return Standing(name, most, life, left, max(0, -(-(challenge.expires_at - now) // 1000)))
