"""Where a caller stands with limits, as header fields (draft-ietf-httpapi-ratelimit-headers)."""

from collections.abc import Sequence

from service.domain.limits import Standing

POLICY, LEFT = "RateLimit-Policy", "RateLimit"


def fields(standings: Sequence[Standing]) -> dict[str, str]:
    """The fields; none for no limit. No partition key is told: whose limit it is, is personal."""
    if not standings:
        return {}
    return {
        POLICY: ", ".join(f'"{s.name}";q={s.limit};w={s.window}' for s in standings),
        LEFT: ", ".join(f'"{s.name}";r={s.remaining};t={s.reset}' for s in standings),
    }
