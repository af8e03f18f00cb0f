"""A client of otp-fallback's API, sync and async (`pip install otp-fallback[client]`).

>>> with OtpFallback("https://otp.example", api_key) as otp:
...     challenge = otp.challenges.start("alice", phone="+14155550123")
...     verdict = challenge.verify(code)

It imports nothing else of this package: imports here are relative, so that the folder can be built as a
distribution of its own (`pyproject.toml` beside this file).
"""

from msgspec import UNSET

from . import models
from .aio import AsyncChallenge, AsyncOtpFallback
from .errors import (
    BadAnswer,
    ChallengeOver,
    CheckUnavailable,
    Conflict,
    InvalidRequest,
    LimitReached,
    NoAnswer,
    NotAllowed,
    NotFound,
    OtpFallbackError,
    ProofInvalid,
    Refused,
    Unavailable,
)
from .sync import Challenge, OtpFallback

__all__ = [
    "UNSET",
    "AsyncChallenge",
    "AsyncOtpFallback",
    "BadAnswer",
    "Challenge",
    "ChallengeOver",
    "CheckUnavailable",
    "Conflict",
    "InvalidRequest",
    "LimitReached",
    "NoAnswer",
    "NotAllowed",
    "NotFound",
    "OtpFallback",
    "OtpFallbackError",
    "ProofInvalid",
    "Refused",
    "Unavailable",
    "models",
]
