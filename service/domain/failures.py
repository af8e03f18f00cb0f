"""How a send can fail, and what a failure means for the challenge."""

from enum import StrEnum

from service.domain.limits import Standing


class FailureClass(StrEnum):
    """Whose fault a failed call is; decided once, at the provider's edge."""

    PROVIDER_FAULT = "provider_fault"
    THROTTLED = "throttled"
    ACCOUNT = "account"
    RECIPIENT = "recipient"
    REQUEST = "request"


# What counts against a route.
COUNTED = frozenset({FailureClass.PROVIDER_FAULT, FailureClass.ACCOUNT})


class Reason(StrEnum):
    """Why a channel is not, or no longer, the one to answer by."""

    # Why a challenge left a channel: these are the reasons of switches.
    MODE = "mode"
    CIRCUIT_OPEN = "circuit_open"
    PROVIDER_ERROR = "provider_error"
    DEADLINE = "deadline"
    UNDELIVERABLE = "undeliverable"
    DELIVERY_FAILED = "delivery_failed"
    NOT_DELIVERED = "not_delivered"
    USER_REQUEST = "user_request"
    DRILL = "drill"
    # Why a channel could not serve in the first place, or serves no more: never a switch.
    NOT_ENROLLED = "not_enrolled"
    NOT_CONFIGURED = "not_configured"
    NOT_ALLOWED = "not_allowed"
    BELOW_MIN_ASSURANCE = "below_min_assurance"
    FRAUD_SUSPECTED = "fraud_suspected"
    RATE_LIMITED = "rate_limited"
    ENDED = "ended"

    @property
    def moves_on(self) -> bool:
        """Whether it is the reason of a switch."""
        return self not in _UNUSABLE

    @property
    def told_as(self) -> "Reason | None":
        """How a switch away from a channel that can't serve is told; `None`: as none, nobody waits for it."""
        if self.moves_on:
            return self
        return Reason.UNDELIVERABLE if self in REFUSALS else None


_UNUSABLE = frozenset(
    {
        Reason.NOT_ENROLLED,
        Reason.NOT_CONFIGURED,
        Reason.NOT_ALLOWED,
        Reason.BELOW_MIN_ASSURANCE,
        Reason.FRAUD_SUSPECTED,
        Reason.RATE_LIMITED,
        Reason.ENDED,
    }
)
# Of a channel that the user has: nothing is sent by it, though it works.
REFUSALS = frozenset({Reason.NOT_ALLOWED, Reason.FRAUD_SUSPECTED, Reason.RATE_LIMITED})
# Of one channel of a provider: nothing is sent by the others either.
SHUTS_PROVIDER = frozenset({*REFUSALS, Reason.UNDELIVERABLE, Reason.MODE, Reason.DRILL})


class SendFailure(Exception):
    """A provider did not take a message.

    Attributes:
        failure_class: whose fault it is.
        reason: why the challenge moves on.
        code: the provider's error code, or a word of ours (`timeout`, `connection`); never personal.
        maybe_sent: the message may have left all the same (a time-out, a reset), so its code stays accepted.
        fraud: the provider suspects toll fraud: no paid channel may follow.
        remember_for: seconds during which this recipient need not be tried again.
        remembered: nobody was asked now, since it was known from before.
        carrier: who carries the number's messages, where known.
        refusal: nobody was asked, since we do not send there now; why.
        standing: the limit that was reached, where it was one.
        wait: seconds until there may be another.

    """

    def __init__(
        self,
        failure_class: FailureClass,
        reason: Reason,
        code: str,
        *,
        maybe_sent: bool = False,
        fraud: bool = False,
        remember_for: int = 0,
        remembered: bool = False,
        carrier: str | None = None,
        refusal: Reason | None = None,
        standing: Standing | None = None,
        wait: int = 0,
    ) -> None:
        super().__init__(f"{failure_class} ({code})")
        self.failure_class = failure_class
        self.reason = reason
        self.refusal = refusal
        self.standing = standing
        self.wait = wait
        self.code = code
        self.maybe_sent = maybe_sent
        self.fraud = fraud
        self.remember_for = remember_for
        self.remembered = remembered
        self.carrier = carrier


class CheckFailure(Exception):
    """A provider could not say whether a code is right. Attributes as of `SendFailure`."""

    def __init__(self, failure_class: FailureClass, code: str) -> None:
        super().__init__(f"{failure_class} ({code})")
        self.failure_class = failure_class
        self.code = code
