"""Which route a send or a check takes, and whose health is watched."""

from service.domain.channels import PRIMARY_PROVIDER, TRAITS, Channel

CHECK_ROUTE = f"{PRIMARY_PROVIDER}/check"  # has no country: checks are answered by one place


def route_name(channel: str, country: str, carrier: str | None = None) -> str:
    """The route of a channel to a country, `twilio_verify/sms/+91`, or to one carrier there."""
    name = f"{TRAITS[Channel(channel)].provider}/{channel}/{country}"
    return f"{name}/{carrier}" if carrier else name


def watched(channel: str) -> bool:
    """Whether a channel's routes are watched: the primary provider's."""
    return TRAITS[Channel(channel)].provider == PRIMARY_PROVIDER
