"""Master keys as a setting or a file gives them: which seal, by what name."""

import base64
import binascii
import re

MASTER_KEY_BYTES = 32


def parse_master_keys(text: str) -> dict[str, bytes]:
    """Parse `kid:base64,kid:base64,...`, or a line each; the first one encrypts, all of them decrypt.

    Raises:
        ValueError: no key, a malformed entry, a repeated key id or a key that is not 32 bytes.

    """
    keys: dict[str, bytes] = {}
    for entry in filter(None, (part.strip() for part in re.split(r"[,\n]", text))):
        kid, colon, encoded = entry.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9_-]{1,16}", kid):
            raise ValueError(
                "expected kid:base64[,kid:base64...] with key ids of 1-16 letters, digits, _ or -"
            )
        if kid in keys:
            raise ValueError(f"key id {kid} stands twice")
        try:
            key = base64.b64decode(
                encoded + "=" * (-len(encoded) % 4),
                altchars=b"-_" if set("-_") & set(encoded) else None,
                validate=True,
            )
        except binascii.Error:
            raise ValueError(f"key {kid} is not base64") from None
        if len(key) != MASTER_KEY_BYTES:
            raise ValueError(
                f"key {kid} has {len(key)} bytes, expected {MASTER_KEY_BYTES} (openssl rand -base64 32)"
            )
        keys[kid] = key
    if not keys:
        raise ValueError("expected kid:base64[,kid:base64...]")
    return keys
