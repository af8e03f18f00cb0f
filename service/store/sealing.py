"""Sealing: AES-256-GCM under a named key, bound to the record that the text belongs to.

Each record has a key of its own, derived from the master key and the record's name, so that the limit of
2**32 random nonces a key (NIST SP 800-38D section 8.3) holds for a record and not for the installation.
"""

import base64
import secrets
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from service.domain.codes import RandomBytes
from service.domain.errors import KeyUnusable
from service.domain.mac import hmac_sha256

NONCE_BYTES = 12


class Sealer:
    """Seals and opens texts. The first key seals; every key opens."""

    def __init__(self, keys: Mapping[str, bytes], random_bytes: RandomBytes = secrets.token_bytes) -> None:
        self._keys = dict(keys)
        self._current = next(iter(self._keys))
        self._random_bytes = random_bytes

    @property
    def current(self) -> str:
        """The id of the key that seals."""
        return self._current

    @property
    def count(self) -> int:
        """How many keys open."""
        return len(self._keys)

    def seal(self, plaintext: bytes, record: str) -> str:
        """Seal for one record; elsewhere the text does not open."""
        nonce = self._random_bytes(NONCE_BYTES)
        sealed = self._cipher(self._current, record).encrypt(nonce, plaintext, record.encode())
        return f"{self._current}.{base64.urlsafe_b64encode(nonce + sealed).decode().rstrip('=')}"

    def open(self, text: str, record: str) -> bytes:
        """Open what `seal` made for this record.

        Raises:
            KeyUnusable: its key id is unknown, or it was changed, moved or sealed under another key.

        """
        kid, _, encoded = text.partition(".")
        if kid not in self._keys:
            raise KeyUnusable(f"OTP_MASTER_KEYS lacks key {kid!r}, which records are sealed under.")
        try:
            raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
            return self._cipher(kid, record).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], record.encode())
        except (InvalidTag, ValueError):
            raise KeyUnusable(f"A record does not open under master key {kid!r}.") from None

    def is_current(self, text: str) -> bool:
        """Whether a sealed text is under the key that seals now."""
        return text.partition(".")[0] == self._current

    def _cipher(self, kid: str, record: str) -> AESGCM:
        return AESGCM(hmac_sha256(self._keys[kid], b"seal\0" + record.encode()))
