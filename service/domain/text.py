"""Text that people and programs give us, and times as we write them."""

import re
import unicodedata
from datetime import UTC, datetime

USER_ID_LENGTH = 256  # characters
SENTENCE_LENGTH = 500  # characters
CALLING_CODE = r"^\+[1-9][0-9]{0,2}$"
_APPLICATION = re.compile(r"[\w.-]{1,64}")
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def is_printable(text: str) -> bool:
    """Whether a text holds no control characters, lone surrogates or marks of failed decoding."""
    if "\ufffd" in text:
        return False
    return text.isprintable() or not any(unicodedata.category(char) in ("Cc", "Cs") for char in text)


def is_user_id(text: str) -> bool:
    """Whether a text can be a user's id."""
    return 1 <= len(text) <= USER_ID_LENGTH and is_printable(text)


def is_sentence(text: str) -> bool:
    """Whether a text can be a reason, or something said of an incident."""
    return len(text.strip()) >= 1 and len(text) <= SENTENCE_LENGTH and is_printable(text)


def is_calling_code(text: str) -> bool:
    """Whether a text is a country's calling code, such as `+91`."""
    return re.fullmatch(CALLING_CODE, text) is not None


def is_application(text: str) -> bool:
    """Whether a text can be an application's name."""
    return _APPLICATION.fullmatch(text) is not None


def duration_seconds(text: str) -> int | None:
    """Seconds of `30s`, `15m`, `2h`, `1d`; `None`: it is no such text, or nothing."""
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] or None if found else None


def rfc3339(at_ms: int) -> str:
    """A time (ms since the epoch) in RFC 3339, UTC, to the millisecond."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
