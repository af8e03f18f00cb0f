"""A channel as a drill makes it look: nothing leaves."""

import time
from dataclasses import dataclass
from typing import assert_never

from service.channels.base import Receipt, SendJob
from service.domain.channels import Channel
from service.domain.drills import Simulation
from service.domain.failures import FailureClass, Reason, SendFailure


@dataclass(frozen=True, slots=True)
class Drilled:
    """Stands where the channel that sends would."""

    channel: Channel
    simulation: Simulation

    def send(self, job: SendJob) -> Receipt:
        """Fail as a provider would, or keep the message. The code that it would hold is told to nobody."""
        match self.simulation:
            case "lost":
                return Receipt(None, own_code=True)
            case "hangs":
                time.sleep(job.deadline)
            case "fails":
                pass
            case never:
                assert_never(never)
        raise SendFailure(FailureClass.PROVIDER_FAULT, Reason.DRILL, "drill")
