"""When the worker must look at a challenge next."""

from service.domain.challenge import Challenge
from service.domain.channels import TRAITS


def next_due(challenge: Challenge, now: int, delivery_deadline: int) -> int | None:
    """The delivery deadline (ms) while a send is out, else the end of its life; `None`: never."""
    if challenge.status != "pending":
        return None
    if challenge.channel is not None and TRAITS[challenge.channel].delivered:
        return min(now + delivery_deadline, challenge.expires_at)
    return challenge.expires_at
