"""What a channel that sends something is to the rest of the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from service.domain.challenge import NOWHERE, Subject
from service.domain.channels import Channel
from service.domain.health.breaker import State


@dataclass(frozen=True, slots=True)
class SendJob:
    """One send. `deadline` in seconds from now; times in ms; `trouble`: routes that are not closed."""

    challenge_id: str
    application: str
    subject: Subject
    locale: str
    deadline: float
    now: int
    expires_at: int
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
