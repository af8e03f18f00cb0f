"""What a channel that sends something is to the rest of the service."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from service.domain.challenge import Subject
from service.domain.channels import Channel


@dataclass(frozen=True, slots=True)
class SendJob:
    """One send. `deadline` in seconds from now; times in ms."""

    challenge_id: str
    application: str
    subject: Subject
    locale: str
    deadline: float
    now: int
    expires_at: int

    @property
    def country(self) -> str:
        """The calling code of the number, or a dash."""
        return self.subject.phone.calling_code if self.subject.phone else "-"


class Receipt(NamedTuple):
    """A provider took a message: its id there, and whether the code in it is ours to check."""

    ref: str | None
    own_code: bool


class DeliveryChannel(Protocol):
    """A channel that sends a code."""

    channel: Channel

    def send(self, job: SendJob) -> Receipt:
        """Send the challenge's code.

        Raises:
            SendFailure: the provider did not take it, or it is known that it would be in vain.
        """
        ...
