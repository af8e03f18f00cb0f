"""How often something may be done, and what is said of that.

A rate is enforced by the generic cell rate algorithm (ITU-T I.371, the virtual scheduling form): so many at
once, then evenly. `service/store/limit.lua` reckons; here are the numbers. They are told as the fields of
draft-ietf-httpapi-ratelimit-headers.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import NamedTuple, Self

from service.domain.text import duration_seconds

MOST = 1_000_000  # of anything
LONGEST_WINDOW = 30 * 86_400  # seconds
OFF = "off"
PAIR_SHARE = 2  # one network address may use up this part of what a number has: half

# What the limits are called in answers and metrics.
ADDRESS, APPLICATION, USER, NUMBER, PREFIX = "address", "application", "user", "number", "prefix"
PHONE, MAIL, FAILURES, ATTEMPTS, SENDS = "phone", "mail", "failures", "attempts", "sends"


@dataclass(frozen=True, slots=True)
class Rate:
    """`limit` at once, and that many again, evenly, in every `window` seconds."""

    limit: int
    window: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read `60/1h`; `off` is no limit.

        Raises:
            ValueError: it is neither.
        """
        if text.strip().lower() == OFF:
            return None
        found = re.fullmatch(r"([1-9][0-9]{0,6})\s*/\s*([0-9]+[smhd])", text.strip())
        window = duration_seconds(found[2]) if found else None
        if found is None or window is None or int(found[1]) > MOST or window > LONGEST_WINDOW:
            raise ValueError("expected a rate such as 60/1h (per 30s, 10m, 1h, 1d, up to 30d), or off")
        return cls(int(found[1]), window)

    def part(self) -> Self:
        """What one network address may use up of it."""
        return type(self)(max(1, self.limit // PAIR_SHARE), self.window)


class Standing(NamedTuple):
    """Where somebody stands with a limit. `reset`: seconds until all of it is there again."""

    name: str
    limit: int
    window: int
    remaining: int
    reset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Wrong codes in a row, over challenges (NIST SP 800-63B-4 section 3.2.2: at most 100).

    The wait doubles with each one from `first_wait` to `longest_wait` (seconds). It begins with `address`
    from one network address and with `user` from anywhere, so that who guesses from one address is stopped
    before the user is. At `lock` only a backup code or an operator helps.
    """

    address: int = 10
    user: int = 20
    lock: int = 100
    first_wait: int = 30
    longest_wait: int = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every limit. `None`: none.

    Attributes:
        address: challenges by the network address (`client_ip`) that they are for.
        application: challenges of one application.
        user: challenges of one user; beyond it nothing is sent.
        number: messages to one phone number or e-mail address.
        prefix: messages to one block of 10 000 phone numbers.
        phone: messages to phones, of the whole installation.
        mail: codes by e-mail, of the whole installation.
        failures: wrong codes in a row.
        attempts: codes that may be tried in one challenge.
        sends: messages of one challenge.
        cool_down: ms between one message of a challenge and the next; the last one holds on.

    """

    address: Rate | None = Rate(300, 600)
    application: Rate | None = Rate(60_000, 60)
    user: Rate | None = Rate(120, 3600)
    number: Rate | None = Rate(60, 3600)
    prefix: Rate | None = Rate(300, 600)
    phone: Rate | None = None
    mail: Rate | None = None
    failures: Failures = Failures()
    attempts: int = 5
    sends: int = 5
    cool_down: tuple[int, ...] = (30_000, 60_000, 120_000)


def network_of(address: str) -> str:
    """What counts as one network address: an IPv4 address, or the /64 that an IPv6 subscriber has.

    Args:
        address: in its usual form, as what takes in requests makes it.
    """
    if ":" not in address:
        return address
    parsed = ipaddress.ip_address(address)
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
