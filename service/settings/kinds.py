"""Kinds of values that settings have, and how each is told from a mistake."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

LOGO_TYPES = (".svg", ".png")
LOGO_BYTES = 32 * 1024


def check_scheme(url: str, allowed: tuple[str, ...]) -> bool:
    """Whether a URL that starts as it may names a host.

    Raises:
        ValueError: it is none, or starts otherwise.
    """
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        if "," not in url:  # what is wrong with it may be a piece of the password: it is not told
            raise ValueError("not a URL; in user and password, percent-encode / ? # @ and :") from None
        parts = urlsplit(url.split(",", maxsplit=1)[0])
    if parts.scheme not in allowed:
        raise ValueError(f"expected a URL that starts with {' or '.join(f'{s}://' for s in allowed)}")
    return bool(parts.hostname)


def _http_url(value: str) -> str:
    if not check_scheme(value, ("http", "https")):
        raise ValueError("expected http(s)://host[:port]")
    return value.rstrip("/")


def _logo(value: Path) -> Path:
    if value.suffix.lower() not in LOGO_TYPES:
        raise ValueError(f"expected a file that ends in {' or '.join(LOGO_TYPES)}")
    if not value.is_file():
        raise ValueError("no such file")
    if value.stat().st_size > LOGO_BYTES:
        raise ValueError(f"the file is larger than {LOGO_BYTES} bytes; pages have to be fast on a phone")
    return value


def read_by(parse: Callable[[str], object]) -> AfterValidator:
    """A text that `parse` takes. It stays a text: that is how child processes get it."""

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


def _blank_is_unset(value: object) -> object:
    """An empty variable means unset: compose files and shells pass `NAME=` for what is not given."""
    return None if isinstance(value, str) and not value.strip() else value


unset_if_blank = BeforeValidator(_blank_is_unset)
OptionalText = Annotated[str | None, unset_if_blank]
OptionalSecret = Annotated[SecretStr | None, unset_if_blank]
OptionalPath = Annotated[Path | None, unset_if_blank]
OptionalPort = Annotated[Annotated[int, Field(ge=1, le=65535)] | None, unset_if_blank]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
OptionalHttpUrl = Annotated[HttpUrl | None, unset_if_blank]
OptionalLogo = Annotated[Annotated[Path, AfterValidator(_logo)] | None, unset_if_blank]
