"""WhatsApp messages, by Twilio Verify."""

from service.channels.phone import PhoneChannel
from service.domain.channels import Channel


class WhatsApp(PhoneChannel):
    """WhatsApp messages."""

    channel = Channel.WHATSAPP
