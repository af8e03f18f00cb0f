"""Proofs: signed tokens that say a challenge was passed, checkable offline (RFC 7519, EdDSA) or here."""

import base64
import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from service.domain.challenge import Challenge, proven_by
from service.domain.signing import PROOF_LIFE, SigningKey
from service.store.proofs import UsedProofs
from service.store.signing import SigningStore

LIFE = PROOF_LIFE // 1000  # seconds
ALGORITHM = "EdDSA"
_MARGIN = 60_000  # ms that a used proof is remembered beyond its end, for clocks that differ
_REGISTRY = jws.JWSRegistry(algorithms=[ALGORITHM])

# It would warn at each signature: RFC 9864 would have the name Ed25519, and what checks proofs knows EdDSA.
jws.JWSRegistry.algorithms[ALGORITHM].security_warning = None


class Pair(NamedTuple):
    """A key as JOSE has it."""

    kid: str
    private: OKPKey
    public: dict[str, str]


@lru_cache(maxsize=16)
def pair(key: SigningKey) -> Pair:
    """The key pair that a seed makes; its id is a hash of the public key."""
    public = Ed25519PrivateKey.from_private_bytes(key.seed).public_key().public_bytes_raw()
    kid = base64.urlsafe_b64encode(hashlib.sha256(public).digest()[:9]).decode()
    shown = {"kty": "OKP", "crv": "Ed25519", "x": _b64(public), "kid": kid, "use": "sig", "alg": ALGORITHM}
    return Pair(kid, OKPKey.import_key({**shown, "d": _b64(key.seed)}), shown)


class ProofSigner:
    """Signs proofs with the installation's key, and checks them."""

    def __init__(
        self, keys: SigningStore, used: UsedProofs, *, issuer: str, clock: Callable[[], int]
    ) -> None:
        self._keys = keys
        self._used = used
        self._issuer = issuer
        self._clock = clock

    def sign(self, challenge: Challenge, user_id: str, now: int) -> str | None:
        """The proof of an approved challenge, or `None` when it is not approved or the proof is past.

        The same challenge always gives the same proof, unless its key was revoked: its life runs from the
        approval, not from asking, and so does the choice of the key.
        """
        channel = challenge.approved_by
        issued = challenge.ended_at // 1000
        if challenge.status != "approved" or channel is None or now // 1000 >= issued + LIFE:
            return None
        amr, assurance, _ = proven_by(channel)
        claims = {
            "iss": self._issuer,
            "aud": challenge.application,
            "sub": user_id,
            "jti": challenge.id,
            "iat": issued,
            "exp": issued + LIFE,
            "amr": amr,
            "acr": assurance,
            "channel": channel,
        }
        # What `jwt.encode` does beyond this, for every approval anew, is to look at claims that we wrote.
        kid, private, _ = pair(self._keys.recent().signer(challenge.ended_at))
        header = {"alg": ALGORITHM, "kid": kid, "typ": "JWT"}
        return jws.serialize_compact(header, msgspec.json.encode(claims), private, registry=_REGISTRY)

    def introspect(self, application: str, proof: str, *, use_once: bool = False) -> dict[str, Any] | None:
        """The claims of a proof that is good in this application now, and `None` of any other.

        Args:
            application: who asks.
            proof: what was presented, by anybody.
            use_once: it is used up with this; of many at once one is told that it is good.

        Raises:
            StoreUnavailable: Redis can't be reached.
        """
        now = self._clock()
        keys = KeySet([pair(key).private for key in self._keys.recent().published(now)])
        try:
            claims = jwt.decode(proof, keys, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError, RecursionError):  # joserfc lets some of what is no JSON through
            return None
        if claims["iss"] != self._issuer or claims["aud"] != application or claims["exp"] <= now // 1000:
            return None
        if use_once:
            first = self._used.use(claims["jti"], claims["exp"] * 1000 - now + _MARGIN)
            return claims if first else None
        return None if self._used.is_used(claims["jti"]) else claims

    def jwks(self) -> dict[str, object]:
        """The public keys (RFC 7517): those that sign, have signed, and will."""
        published = self._keys.recent().published(self._clock())
        return {"keys": [pair(key).public for key in published]}


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
