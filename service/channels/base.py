"""What a channel that sends something is to the rest of the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from service.domain.challenge import NOWHERE, Subject
from service.domain.channels import Channel
from service.domain.health.breaker import State


@dataclass(frozen=True, slots=True)
class SendJob:
    """One send.

    Attributes:
        challenge_id: what the code is for.
        application: whose challenge it is.
        subject: whom it goes to.
        locale: of the message.
        deadline: seconds from now.
        now: ms, likewise `expires_at`.
        expires_at: the end of the challenge.
        block: keyed hash of the block of numbers that the phone is in.
        origin: keyed hash of the network address that asked.
        trouble: routes that are not closed.

    """

    challenge_id: str
    application: str
    subject: Subject
    locale: str
    deadline: float
    now: int
    expires_at: int
    block: str | None = None
    origin: str | None = None
    trouble: Mapping[str, State] = field(default_factory=dict)

    @property
    def country(self) -> str:
        """The calling code of the number, or a dash."""
        return self.subject.phone.calling_code if self.subject.phone else NOWHERE


class Receipt(NamedTuple):
    """A provider took a message: its id there, whether the code in it is ours to check, and its carrier."""

    ref: str | None
    own_code: bool
    carrier: str | None = None


class DeliveryChannel(Protocol):
    """A channel that sends a code."""

    channel: Channel

    def send(self, job: SendJob) -> Receipt:
        """Send the challenge's code.

        Raises:
            SendFailure: the provider did not take it, or it is known that it would be in vain.
        """
        ...
