"""The calls of otp-fallback that a login needs, and what the shop does when they fail."""

import requests
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet


class Unavailable(Exception):
    """Nothing could be asked: nobody is let in, and trying again in a moment makes sense."""


class Ended(Exception):
    """The challenge is over, or there is none: begin the login anew."""


class Refused(Exception):
    """Not now: too soon, too often, or a choice that can't be. `str()` is for the user."""


class Otp:
    """One otp-fallback, as seen by one application."""

    def __init__(self, url, key):
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {key}"

    def start(self, **challenge):
        """Start a challenge."""
        return self._call("POST", "/v1/challenges", challenge)

    def get(self, challenge_id):
        """Read a challenge."""
        return self._call("GET", f"/v1/challenges/{challenge_id}")

    def verify(self, challenge_id, code):
        """Check what the user typed; `valid` says whether it was right."""
        return self._call("POST", f"/v1/challenges/{challenge_id}/verify", {"code": code})

    def switch(self, challenge_id, channel):
        """Go on by another channel."""
        return self._call("POST", f"/v1/challenges/{challenge_id}/switch", {"channel": channel})

    def resend(self, challenge_id):
        """Send the code again."""
        return self._call("POST", f"/v1/challenges/{challenge_id}/resend", {})

    def proves(self, proof, *, user, challenge_id, application="default"):
        """Whether a proof says that this user answered this challenge."""
        try:
            keys = KeySet.import_key_set(self._call("GET", "/.well-known/jwks.json"))
            token = jwt.decode(proof, keys, algorithms=["EdDSA"])
            jwt.JWTClaimsRegistry(
                aud={"essential": True, "value": application},
                sub={"essential": True, "value": user},
                jti={"essential": True, "value": challenge_id},
                exp={"essential": True},
            ).validate(token.claims)
        except (JoseError, ValueError):
            return False
        return True

    def _call(self, method, path, body=None):
        try:
            answer = self._session.request(method, self.url + path, json=body, timeout=15)
            told = answer.json()
        except (requests.RequestException, ValueError):
            raise Unavailable from None
        if answer.ok:
            return told
        if answer.status_code in (404, 410) or told["code"].startswith("challenge_"):
            raise Ended
        if answer.status_code in (403, 409, 422, 429) and told["code"] != "scope_missing":
            raise Refused(told["detail"])
        raise Unavailable  # 503, or a key that is wrong
