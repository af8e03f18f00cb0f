"""What to tell the user: why the prompt is not the usual one, and what to do now.

The sentences are message ids of the catalogues in `service/locale/`.
"""

from dataclasses import dataclass

from service.domain.challenge import Challenge
from service.domain.channels import Channel
from service.domain.failures import Reason


def N_(text: str) -> str:  # noqa: N802 - gettext's name for "extract, do not translate yet"
    """Mark a message for extraction."""
    return text


@dataclass(frozen=True, slots=True)
class Notice:
    """A stable code, and sentences to translate and join."""

    code: str
    sentences: tuple[str, ...]


CHANNEL_NAMES = {
    Channel.SMS: N_("Text messages"),
    Channel.VOICE: N_("Phone calls"),
    Channel.WHATSAPP: N_("WhatsApp messages"),
    Channel.EMAIL: N_("E-mails"),
}
DELAYED = {
    Channel.SMS: N_("Text messages are delayed right now."),
    Channel.VOICE: N_("Phone calls are not getting through right now."),
    Channel.WHATSAPP: N_("WhatsApp messages are delayed right now."),
    Channel.EMAIL: N_("E-mails are delayed right now."),
}
_UNDELIVERABLE = {
    Channel.SMS: N_("We can't send text messages to your number."),
    Channel.VOICE: N_("We can't call your number."),
    Channel.WHATSAPP: N_("We can't send WhatsApp messages to your number."),
    Channel.EMAIL: N_("We can't send e-mail to your address."),
}
_NOT_DELIVERED = {
    Channel.SMS: N_("The text message seems to take longer than usual."),
    Channel.VOICE: N_("The phone call seems to take longer than usual."),
    Channel.WHATSAPP: N_("The WhatsApp message seems to take longer than usual."),
    Channel.EMAIL: N_("The e-mail seems to take longer than usual."),
}
_INSTRUCTION = {
    Channel.SMS: N_("Enter the code from the text message."),
    Channel.VOICE: N_("Answer the call and enter the code you hear."),
    Channel.WHATSAPP: N_("Enter the code from the WhatsApp message."),
    Channel.EMAIL: N_("Enter the code we sent you by e-mail."),
    Channel.TOTP: N_("Use your authenticator app."),
    Channel.BACKUP_CODE: N_("Use one of your backup codes."),
}
_NO_CHANNEL = N_("We can't reach you in any way right now. Please try again later or contact support.")
_SMS_ENDED = N_("That code is no longer valid. Ask for a new one.")
_NO_FALLBACK = N_("Set up an authenticator app, so that you can sign in when text messages do not arrive.")

_CAUSES = {
    Reason.MODE: ("unavailable", DELAYED),
    Reason.CIRCUIT_OPEN: ("unavailable", DELAYED),
    Reason.PROVIDER_ERROR: ("unavailable", DELAYED),
    Reason.DEADLINE: ("unavailable", DELAYED),
    Reason.DRILL: ("unavailable", DELAYED),
    Reason.UNDELIVERABLE: ("undeliverable", _UNDELIVERABLE),
    Reason.DELIVERY_FAILED: ("undeliverable", _UNDELIVERABLE),
    Reason.NOT_DELIVERED: ("not_delivered", _NOT_DELIVERED),
}


def notice_for(challenge: Challenge) -> Notice | None:
    """The notice that belongs to a challenge now; `None` while all goes as usual."""
    if challenge.status == "failed":
        return Notice("no_channel", (_NO_CHANNEL,))
    if not challenge.switches or challenge.status != "pending":
        return None
    last = challenge.switches[-1]
    instruction = _INSTRUCTION[last.to]
    if last.reason == Reason.USER_REQUEST:
        return Notice(f"use_{last.to}", (instruction,))
    # The channel that failed first is the one the user waits for; what became of the others matters less.
    first = next(switch for switch in challenge.switches if switch.reason in _CAUSES)
    suffix, causes = _CAUSES[first.reason]
    return Notice(f"{first.source}_{suffix}", (causes[first.source], instruction))


def code_ended_notice() -> Notice:
    """The provider's code is over: used by another login, expired, or checked too often."""
    return Notice("code_ended", (_SMS_ENDED,))


def enrollment_hint() -> Notice:
    """For a user who has no way in but the primary provider's: a good moment is after this login."""
    return Notice("no_fallback", (_NO_FALLBACK,))
