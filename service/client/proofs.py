"""Checking proofs offline, with the service's published keys (needs joserfc)."""

import json
import re
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any
from warnings import filterwarnings

from .errors import BadAnswer, ProofInvalid
from .exchange import Exchange, Reply, Steps
from .models import Proof

LEEWAY = 5  # seconds that clocks may differ
ASKED_AGAIN = 10.0  # seconds between fetches for key ids that are not known: anybody can make some up
_MAX_AGE = re.compile(r"max-age=(\d{1,9})")


def verify_proof(
    x: Exchange,
    proof: str,
    *,
    challenge_id: str | None = None,
    user_id: str | None = None,
    application: str = "default",
    issuer: str | None = None,
) -> Steps[Proof]:
    """Check a proof; the service is asked for its keys only, and once in some minutes.

    Args:
        x: how requests are made.
        proof: what was presented.
        challenge_id: the challenge that this login began: give it, or somebody else's proof is as good.
        user_id: who is to be let in: likewise.
        application: whose challenge it must be.
        issuer: the service's `OTP_PUBLIC_URL`; unset: any that has its key.

    Raises:
        ProofInvalid: it is forged, over, or of another challenge, user or application.
    """
    key = yield from _key(x, _key_id(proof))
    claims = _claims(proof, key)
    wanted = {"aud": application, "iss": issuer, "jti": challenge_id, "sub": user_id}
    for name, value in wanted.items():
        if value is not None and claims.get(name) != value:
            raise ProofInvalid(f"It is of another {_WORDS[name]}.")
    if claims["exp"] + LEEWAY <= x.now():
        raise ProofInvalid("It is over.")
    return Proof(
        challenge_id=claims["jti"],
        user_id=claims["sub"],
        application=claims["aud"],
        channel=claims["channel"],
        amr=tuple(claims["amr"]),
        assurance=claims["acr"],
        issued_at=datetime.fromtimestamp(claims["iat"], UTC),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )


_WORDS = {"aud": "application", "iss": "issuer", "jti": "challenge", "sub": "user"}


def _key_id(proof: str) -> str:
    head = proof.split(".", 1)[0]
    try:
        found = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ProofInvalid("It is no proof.") from None
    if not isinstance(found, str):
        raise ProofInvalid("It is no proof.")
    return found


def _key(x: Exchange, key_id: str) -> Steps[dict[str, str]]:
    """A published key; they are fetched when they are old, or when this one may be new."""
    known = x.published
    for _ in range(2):
        found = next((key for key in known.keys if key.get("kid") == key_id), None)
        is_old = x.clock() >= known.good_until
        if found is not None and not is_old:
            return found
        if not is_old and x.clock() < known.fetched_at + ASKED_AGAIN:
            break
        reply = yield from x.reply("GET", "/.well-known/jwks.json")
        known.keys = _published(reply)
        age = _MAX_AGE.search(reply.headers.get("cache-control", ""))
        known.fetched_at = x.clock()
        known.good_until = known.fetched_at + (int(age[1]) if age else 0)
        found = next((key for key in known.keys if key.get("kid") == key_id), None)
        if found is not None:
            return found
    raise ProofInvalid("No published key signed it.")


def _published(reply: Reply) -> list[dict[str, str]]:
    try:
        return [key for key in json.loads(reply.body)["keys"] if key.get("crv") == "Ed25519"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadAnswer("The published keys can't be read.") from None


def _claims(proof: str, key: dict[str, str]) -> dict[str, Any]:
    try:
        jose = _jose()
    except ImportError:
        raise ImportError("Checking proofs offline needs joserfc: pip install joserfc") from None
    try:
        claims: dict[str, Any] = jose.jwt.decode(
            proof, jose.jwk.OKPKey.import_key({**key}), algorithms=["EdDSA"]
        ).claims
    except (jose.errors.JoseError, ValueError, RecursionError):
        raise ProofInvalid("Its signature is wrong.") from None
    return claims


@cache
def _jose() -> Any:
    """joserfc, which only those need who check proofs. It would have proofs say Ed25519 (RFC 9864)."""
    for name in ("jwt", "jwk", "errors"):
        import_module(f"joserfc.{name}")
    filterwarnings("ignore", message="EdDSA is deprecated")
    return import_module("joserfc")
