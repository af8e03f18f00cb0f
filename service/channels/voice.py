"""Phone calls that read the code out, by Twilio Verify."""

from service.channels.phone import PhoneChannel
from service.domain.channels import Channel


class Voice(PhoneChannel):
    """Phone calls that read the code out."""

    channel = Channel.VOICE
