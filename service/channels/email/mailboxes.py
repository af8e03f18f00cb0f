"""How many codes a mailbox gets: a fallback must neither bomb one with mail nor drain the sender's quota."""

from collections.abc import Callable

from service.domain.contacts import Email
from service.domain.failures import FailureClass, Reason, SendFailure
from service.domain.limits import MAIL, NUMBER, Rate
from service.store import keys
from service.store.limits import Limit, LimitStore


class Mailboxes:
    """The limits on codes by e-mail: of one address, half of it from one network address, and of all."""

    def __init__(
        self, limits: LimitStore, key: Callable[[str], str], *, each: Rate | None, total: Rate | None
    ) -> None:
        """Those of an installation.

        Args:
            limits: where they are counted.
            key: the keyed hash that stands for an e-mail address.
            each: how many one address may get.
            total: how many all may get together.
        """
        self._limits = limits
        self._key = key
        self._each = each
        self._total = total

    def take(self, address: Email, origin: str | None, now: int) -> None:
        """Count a letter, before it is sent.

        Raises:
            SendFailure: there were too many.
            StoreUnavailable: Redis can't be reached.
        """
        mailbox, limits = self._key(address.address), list[Limit]()
        if self._each is not None:
            limits.append(Limit(NUMBER, mailbox, self._each))
            if origin is not None:
                limits.append(Limit(NUMBER, f"{mailbox}:{origin}", self._each.part()))
        if self._total is not None:
            limits.append(Limit(MAIL, keys.EVERYBODY, self._total))
        for taken in self._limits.take_all(limits, now):
            if not taken.granted:
                raise SendFailure(
                    FailureClass.RECIPIENT,
                    Reason.UNDELIVERABLE,
                    "rate_limited",
                    remembered=True,
                    refusal=Reason.RATE_LIMITED,
                    standing=taken.standing,
                    wait=taken.wait,
                )
