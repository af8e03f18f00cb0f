"""Text messages, by Twilio Verify."""

from service.channels.phone import PhoneChannel
from service.domain.channels import Channel


class Sms(PhoneChannel):
    """Text messages."""

    channel = Channel.SMS
