"""Which key signs proofs, and which are published, while one takes over from another.

A new key is published before it signs, so that whoever keeps the published keys for a while knows it by then;
the one before stays published as long as a proof of it may be shown. Times in ms.
"""

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

PROOF_LIFE = 300_000  # of a proof, from the approval
PUBLISHED_FOR = 300_000  # how long the published keys may be kept: `max-age`
AHEAD = PUBLISHED_FOR + 60_000  # from a key's publication to its first proof: that, and clocks that differ
BEHIND = PROOF_LIFE + PUBLISHED_FOR  # from a key's last approval to its end


class SigningKey(Struct, frozen=True):
    """An Ed25519 seed, 32 bytes, and from when on it signs."""

    seed: bytes
    signs_from: int = 0

    def __repr__(self) -> str:
        return f"SigningKey(signs_from={self.signs_from})"


class SigningKeys(Struct, frozen=True):
    """The keys in the order in which they sign, at least one. `version` counts changes."""

    keys: tuple[SigningKey, ...]
    version: int = 0

    def signer(self, at: int) -> SigningKey:
        """The key for what was approved then; the oldest there is if that one was revoked."""
        return next((key for key in reversed(self.keys) if key.signs_from <= at), self.keys[0])

    def waiting(self, now: int) -> SigningKey | None:
        """A key that is published and does not sign yet."""
        return self.keys[-1] if self.keys[-1].signs_from > now else None

    def published(self, now: int) -> tuple[SigningKey, ...]:
        """The keys that proofs are checked with."""
        return _lasting(self.keys, now)

    def rotated(self, seed: bytes, now: int) -> "SigningKeys":
        """With a key that takes over once everybody may know it; keys that are over are left out."""
        kept = _lasting(self.keys, now)
        return SigningKeys((*kept, SigningKey(seed, now + AHEAD)), self.version + 1)

    def revoked(self, seed: bytes, now: int) -> "SigningKeys":
        """A key that signs at once, and no other: proofs of those before are good for nothing."""
        return SigningKeys((SigningKey(seed, now),), self.version + 1)


def _lasting(keys: Sequence[SigningKey], now: int) -> tuple[SigningKey, ...]:
    """Without those whose successor has signed for so long that no proof of theirs is left."""
    followed = pairwise(keys)
    return (*(key for key, successor in followed if successor.signs_from + BEHIND > now), keys[-1])
