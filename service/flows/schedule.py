"""When the worker must look at a challenge next."""

from service.domain.challenge import Challenge
from service.domain.channels import TRAITS


def next_due(challenge: Challenge, now: int, delivery_deadline: int) -> int | None:
    """When (ms): the delivery deadline while a send is out, else the end of its life; `None`: never."""
    if challenge.status != "pending":
        return None
    if any(entry.probe and entry.state == "skipped" for entry in challenge.entries):
        return now  # the worker sends the probe, so that nobody waits for it
    if challenge.channel is not None and TRAITS[challenge.channel].delivered:
        return min(now + delivery_deadline, challenge.expires_at)
    return challenge.expires_at
