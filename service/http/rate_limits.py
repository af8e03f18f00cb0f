"""Where a caller stands with limits, as header fields (draft-ietf-httpapi-ratelimit-headers)."""

from collections.abc import Sequence

from service.domain.limits import Standing

POLICY, LEFT = "RateLimit-Policy", "RateLimit"
# What the API's description says of them: text, type, example.
DESCRIBED = {
    "Retry-After": ("Seconds until it makes sense to try again", "integer", 30),
    POLICY: (
        "The limits that apply, with quota and window in seconds (draft-ietf-httpapi-ratelimit-headers)",
        "string",
        '"address";q=300;w=600',
    ),
    LEFT: (
        "What is left of each, and seconds until all of it is there again",
        "string",
        '"address";r=299;t=2',
    ),
}


def fields(standings: Sequence[Standing]) -> dict[str, str]:
    """The fields; none for no limit. No partition key is told: whose limit it is, is personal."""
    if not standings:
        return {}
    return {
        POLICY: ", ".join(f'"{s.name}";q={s.limit};w={s.window}' for s in standings),
        LEFT: ", ".join(f'"{s.name}";r={s.remaining};t={s.reset}' for s in standings),
    }
