"""Twilio's identifiers: two letters and 128 bits in hex. Ours have the same bits, so each tells the other."""

import hashlib
import re

from service.store import keys

_SID = re.compile(r"(?:VA|VE|VL|YC|YE|YF)[0-9a-f]{32}")
_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
_KEY = re.compile(r"SK[0-9a-fA-F]{32}")


def is_sid(text: str, prefix: str) -> bool:
    """Whether a text is a SID of this kind."""
    return text.startswith(prefix) and _SID.fullmatch(text) is not None


def is_account(text: str) -> bool:
    """Whether a text is an account's SID."""
    return _ACCOUNT.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether a text is the SID of an API key of Twilio's."""
    return _KEY.fullmatch(text) is not None


def of_id(prefix: str, id_: str) -> str:
    """The SID of a challenge (`VE`, `YC`), an enrolment or its factor (`YF`), or a user (`YE`)."""
    return prefix + keys.bits_of(id_).hex()


def of_send(challenge_id: str, number: int) -> str:
    """The SID of a challenge's message, by how many there were before."""
    digest = hashlib.blake2b(f"{challenge_id}/{number}".encode(), digest_size=16)
    return "VL" + digest.hexdigest()


def challenge_id(sid: str) -> str:
    """The id of the challenge with this SID, whether there is one or not."""
    return keys.challenge_of(bytes.fromhex(sid[2:]))
