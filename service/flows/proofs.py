"""Proofs: signed tokens that say a challenge was passed, checkable offline (RFC 7519, EdDSA)."""

import base64
import hashlib
import warnings

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import OKPKey

from service.domain.challenge import Challenge, proven_by

LIFE = 300  # seconds

# RFC 9864 would have the name Ed25519; what checks proofs out there knows EdDSA.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)


class ProofSigner:
    """Signs proofs with the installation's key."""

    def __init__(self, seed: bytes, *, issuer: str) -> None:
        self._issuer = issuer
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes_raw()
        self._kid = base64.urlsafe_b64encode(hashlib.sha256(public).digest()[:9]).decode()
        self._public = {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": _b64(public),
            "kid": self._kid,
            "use": "sig",
            "alg": "EdDSA",
        }
        self._key = OKPKey.import_key({**self._public, "d": _b64(seed)})

    def sign(self, challenge: Challenge, user_id: str, now: int) -> str | None:
        """The proof of an approved challenge, or `None` when it is not approved or the proof is past.

        The same challenge always gives the same proof: its life runs from the approval, not from asking.
        """
        channel = challenge.approved_by
        issued = challenge.ended_at // 1000
        if challenge.status != "approved" or channel is None or now // 1000 >= issued + LIFE:
            return None
        amr, assurance, _ = proven_by(channel)
        return jwt.encode(
            {"alg": "EdDSA", "kid": self._kid, "typ": "JWT"},
            {
                "iss": self._issuer,
                "aud": challenge.application,
                "sub": user_id,
                "jti": challenge.id,
                "iat": issued,
                "exp": issued + LIFE,
                "amr": list(amr),
                "acr": assurance,
                "channel": channel.value,
            },
            self._key,
            algorithms=["EdDSA"],
        )

    def jwks(self) -> dict[str, object]:
        """The public keys (RFC 7517)."""
        return {"keys": [self._public]}


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
