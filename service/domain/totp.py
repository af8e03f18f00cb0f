"""Time-based one-time passwords (RFC 6238), on pyotp."""

import base64
import hashlib
from collections.abc import Callable
from typing import Any, Literal

import pyotp

from service.domain.codes import RandomBytes, same_code

Algorithm = Literal["SHA1", "SHA256", "SHA512"]

SECRET_BYTES = 20  # 160 bits, as RFC 4226 section 4 (R6) recommends
PERIOD = 30  # seconds
DIGITS = 6
WINDOW = 1  # steps of clock drift and network delay, either way (RFC 6238 section 5.2)
_DIGESTS: dict[str, Callable[..., Any]] = {
    "SHA1": hashlib.sha1,
    "SHA256": hashlib.sha256,
    "SHA512": hashlib.sha512,
}


class _Totp(pyotp.TOTP):
    """Decodes its secret once, and not for each step that a code is compared with."""

    _decoded: bytes | None = None

    def byte_secret(self) -> bytes:
        """The secret's bytes."""
        if self._decoded is None:
            self._decoded = super().byte_secret()
        return self._decoded


def new_secret(random_bytes: RandomBytes) -> str:
    """A fresh shared secret, base 32."""
    return base64.b32encode(random_bytes(SECRET_BYTES)).decode()


def matching_step(
    secret: str,
    code: str,
    now_ms: int,
    *,
    algorithm: Algorithm = "SHA1",
    digits: int = DIGITS,
    period: int = PERIOD,
) -> int | None:
    """The time step whose code this is, or `None`.

    The steps around the present one are all computed and compared in constant time. Whether the step was
    used before is for the store to say, in the same step that uses it up.
    """
    otp = _Totp(secret, digits=digits, digest=_DIGESTS[algorithm], interval=period)
    present = now_ms // 1000 // period
    found = None
    for step in range(present - WINDOW, present + WINDOW + 1):
        if same_code(code, otp.generate_otp(step)):
            found = step
    return found


def clock_offset(secret: str, code: str, now_ms: int) -> int | None:
    """By how many seconds a clock is off whose code this is, or `None` when it is no such code.

    For telling a user whose codes fail why; never for accepting one. Up to an hour either way, and whole
    hours up to fourteen: a clock set by hand in another time zone.
    """
    otp = _Totp(secret, digits=DIGITS, interval=PERIOD)
    present = now_ms // 1000 // PERIOD
    hour = 3600 // PERIOD
    near = sorted(range(-hour, hour + 1), key=abs)
    zones = [hours * hour + step for hours in range(-14, 15) for step in range(-2, 3) if abs(hours) > 1]
    for steps in (*near, *zones):
        if present + steps >= 0 and same_code(code, otp.generate_otp(present + steps)):
            return steps * PERIOD
    return None


def provisioning_uri(
    secret: str,
    *,
    account: str,
    issuer: str,
    algorithm: Algorithm = "SHA1",
    digits: int = DIGITS,
    period: int = PERIOD,
) -> str:
    """The `otpauth://` URI that authenticator apps read (Key URI format)."""
    otp = pyotp.TOTP(secret, digits=digits, digest=_DIGESTS[algorithm], interval=period)
    return otp.provisioning_uri(name=account, issuer_name=issuer)
