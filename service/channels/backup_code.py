"""Backup codes: shown once, kept as keyed hashes, each good for one login."""

import base64

from service.domain.codes import normalise_backup_code
from service.domain.mac import hmac_sha256


def hash_backup_code(key: bytes, application: str, code: str) -> str | None:
    """The keyed hash that a code is kept as, or `None` when the text can't be a backup code.

    The codes have 80 bits and the key is not in Redis in the clear, so nothing is left for a slow hash to
    add. Bound to the application; the user is bound by where the hash is kept.
    """
    canonical = normalise_backup_code(code)
    if canonical is None:
        return None
    digest = hmac_sha256(key, f"backup\0{application}\0{canonical}".encode())
    return base64.urlsafe_b64encode(digest[:16]).decode().rstrip("=")
