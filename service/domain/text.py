"""Text that people and programs give us."""

import unicodedata

USER_ID_LENGTH = 256  # characters


def is_printable(text: str) -> bool:
    """Whether a text holds no control characters, lone surrogates or marks of failed decoding."""
    return not any(unicodedata.category(char) in ("Cc", "Cs") for char in text) and "\ufffd" not in text


def is_user_id(text: str) -> bool:
    """Whether a text can be a user's id."""
    return 1 <= len(text) <= USER_ID_LENGTH and is_printable(text)
