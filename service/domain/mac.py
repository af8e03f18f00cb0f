"""HMAC-SHA256 (RFC 2104, FIPS 198-1) under keys that are used again and again."""

from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The authentication code of a message, 32 bytes."""
    begun = _begun(key).copy()  # OpenSSL looks up its algorithm and takes in the key for each one that is new
    begun.update(message)
    return begun.finalize()


@lru_cache(maxsize=16)
def _begun(key: bytes) -> HMAC:
    return HMAC(key, SHA256())
