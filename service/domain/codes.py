"""The codes that this service makes: numeric one-time codes and backup codes.

A numeric code is derived, not stored: HMAC over the challenge's id under a key that Redis holds only
sealed, truncated as HOTP does (RFC 4226 section 5.3, but on 64 bits, so that the digits' bias is below
2**-43). So there is no code in Redis to read, a resend repeats it, and checking it needs no look-up.
"""

import base64
import hmac
from collections.abc import Callable

from service.domain.mac import hmac_sha256

DIGITS = 6
BACKUP_CODES = 10
BACKUP_CODE_BYTES = 10  # 80 bits: look-up secrets of >= 64 bits need no rate limit (SP 800-63B-4)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TO_CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _CROCKFORD)
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})

RandomBytes = Callable[[int], bytes]


def derive_code(key: bytes, challenge_id: str, family: str) -> str:
    """The numeric code of a challenge for one family of channels (`email`, `phone`)."""
    digest = hmac_sha256(key, f"code\0{family}\0{challenge_id}".encode())
    return f"{int.from_bytes(digest[:8]) % 10**DIGITS:0{DIGITS}d}"


def normalise_numeric(text: str) -> str | None:
    """The digits of what a user typed for a numeric code, or `None` when it can't be one.

    Blanks and hyphens are let pass, and so are the digits of other scripts. 4 to 10 digits: what Twilio
    Verify, this service and authenticator apps use.
    """
    if text.isascii() and text.isdigit() and 4 <= len(text) <= 10:  # as most are
        return text
    digits = "".join(text.split()).replace("-", "")
    if not 4 <= len(digits) <= 10 or not digits.isdecimal():
        return None
    return "".join(str(int(digit)) for digit in digits)


def same_code(given: str, expected: str) -> bool:
    """Constant-time comparison."""
    return hmac.compare_digest(given.encode(), expected.encode())


def new_backup_codes(random_bytes: RandomBytes) -> tuple[str, ...]:
    """Ten codes of 80 bits, in Crockford's base 32 (no I, L, O, U): `7K3D-9FQW-2M8T-XH5V`."""
    codes = []
    for _ in range(BACKUP_CODES):
        text = base64.b32encode(random_bytes(BACKUP_CODE_BYTES)).decode().translate(_TO_CROCKFORD)
        codes.append("-".join(text[i : i + 4] for i in range(0, len(text), 4)))
    return tuple(codes)


def normalise_backup_code(text: str) -> str | None:
    """What a user typed as a backup code, in canonical form, or `None` when it can't be one."""
    code = "".join(text.split()).upper().translate(_MISREAD)
    if len(code) != BACKUP_CODE_BYTES * 8 // 5 or not set(code) <= set(_CROCKFORD):
        return None
    return code
