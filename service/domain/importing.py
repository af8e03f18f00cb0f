"""Reading authenticator secrets that another system exported.

Formats: `otpauth://` URIs (Key URI format), Google Authenticator's `otpauth-migration://` exports, CSV with a
header, JSON (an array, or an object a line). What can't be taken is a `Refusal` that says why, without the
secret; the lines around it are taken all the same.
"""

import base64
import binascii
import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar, cast
from urllib.parse import parse_qs, unquote, urlsplit

from service.domain.text import is_printable, is_user_id
from service.domain.totp import DIGITS, PERIOD, Algorithm

Format = Literal["uri", "csv", "json"]

MIN_SECRET_BYTES = 10  # what old exports of Google Authenticator have; RFC 4226 wants 16
MAX_SECRET_BYTES = 128
LABEL_LENGTH = 128  # characters
ALGORITHMS: Mapping[str, Algorithm] = {"SHA1": "SHA1", "SHA256": "SHA256", "SHA512": "SHA512"}
PERIODS = (30, 60)  # seconds
ALL_DIGITS = (6, 7, 8)
FIELDS = ("user", "secret", "algorithm", "digits", "period", "label", "device_name")


@dataclass(frozen=True, slots=True)
class Entry:
    """One app of one user. `line` counts from 1."""

    line: int
    user_id: str
    secret: str
    algorithm: Algorithm = "SHA1"
    digits: int = DIGITS
    period: int = PERIOD
    label: str | None = None
    device_name: str | None = None

    def __repr__(self) -> str:
        return f"Entry(line {self.line})"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that was not taken, and why."""

    line: int
    why: str


T = TypeVar("T")


class _Refused(Exception):
    """Why one line can't be taken."""


def guess_format(first_line: str) -> Format:
    """The format of a text that begins like this."""
    start = first_line.lstrip("\ufeff \t")
    if start.startswith(("otpauth://", "otpauth-migration://")):
        return "uri"
    return "json" if start.startswith(("{", "[")) else "csv"


def read(lines: Iterable[str], form: Format) -> Iterator[Entry | Refusal]:
    """Everything in a text, line by line.

    Raises:
        ValueError: it is not of this format at all, said in one sentence.
    """
    match form:
        case "uri":
            return _read_uris(lines)
        case "csv":
            return _read_csv(lines)
        case "json":
            return _read_json(lines)


def _read_uris(lines: Iterable[str]) -> Iterator[Entry | Refusal]:
    for number, line in enumerate(lines, 1):
        text = line.strip().removeprefix("\ufeff")
        if not text or text.startswith("#"):
            continue
        if text.startswith("otpauth-migration://"):
            yield from _from_migration(number, text)
        else:
            yield _taken(number, _from_uri, text)


def _read_csv(lines: Iterable[str]) -> Iterator[Entry | Refusal]:
    """A row a line: no field holds a line break, and so a stray quote can't swallow other users' rows."""
    numbered = enumerate(lines, 1)
    header = [name.strip().lower() for name in _row(next(numbered, (1, ""))[1].removeprefix("\ufeff")) or []]
    unknown = set(header) - set(FIELDS)
    if not {"user", "secret"} <= set(header) or unknown or len(set(header)) < len(header):
        raise ValueError(f"expected a CSV header with user, secret and any of {', '.join(FIELDS[2:])}")
    for number, line in numbered:
        row = _row(line)
        if row is None:
            yield Refusal(number, "no CSV, or a quote that is not closed on its line")
        elif not any(row):
            continue
        elif len(row) != len(header):
            yield Refusal(number, f"expected {len(header)} fields, got {len(row)}")
        else:
            yield _taken(number, _as_it_is, dict(zip(header, row, strict=True)))


def _row(line: str) -> list[str] | None:
    try:
        return next(csv.reader([line.rstrip("\r\n")], strict=True), [])
    except csv.Error:
        return None


def _read_json(lines: Iterable[str]) -> Iterator[Entry | Refusal]:
    numbered = enumerate(lines, 1)
    for number, line in numbered:
        text = line.strip().removeprefix("\ufeff")
        if not text:
            continue
        if text.startswith("["):  # the whole is one array; its members count as lines
            rest = "".join([text, *(more for _, more in numbered)])
            try:
                members = json.loads(rest)
            except (ValueError, RecursionError):
                raise ValueError("expected a JSON array, or a JSON object a line") from None
            for at, member in enumerate(members, 1):
                yield _taken(at, _as_it_is, member)
            return
        yield _taken(number, _json_value, text)


def _json_value(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _Refused("no JSON") from None


def _as_it_is(given: object) -> object:
    return given


def _taken(line: int, convert: Callable[[T], object], given: T) -> Entry | Refusal:
    try:
        return _entry(line, convert(given))
    except _Refused as refused:
        return Refusal(line, str(refused))


def _entry(line: int, record: object) -> Entry:
    """One record with every field checked."""
    if not isinstance(record, dict):
        raise _Refused("expected an object")
    unknown = sorted(str(name) for name in set(record) - set(FIELDS))
    if unknown:
        raise _Refused(f"unknown field {unknown[0][:32]!r}")
    user_id = record.get("user")
    if not isinstance(user_id, str) or not is_user_id(user_id):
        raise _Refused("user: expected 1 to 256 printable characters")
    algorithm = str(record.get("algorithm") or "SHA1").upper().replace("-", "").removeprefix("HMAC")
    if algorithm not in ALGORITHMS:
        raise _Refused("algorithm: expected SHA1, SHA256 or SHA512")
    return Entry(
        line=line,
        user_id=user_id,
        secret=_secret(record.get("secret")),
        algorithm=ALGORITHMS[algorithm],
        digits=_one_of("digits", record.get("digits"), ALL_DIGITS, DIGITS),
        period=_one_of("period", record.get("period"), PERIODS, PERIOD),
        label=_text("label", record.get("label"), LABEL_LENGTH),
        device_name=_text("device_name", record.get("device_name"), 64),
    )


def secret_of(text: str) -> str:
    """A secret in base 32 as it is kept: without blanks, hyphens and padding.

    Raises:
        ValueError: it is none, or not as long as secrets are.
    """
    text = "".join(text.split()).replace("-", "").upper().rstrip("=")
    try:
        raw = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        raise ValueError("expected base 32") from None
    if not MIN_SECRET_BYTES <= len(raw) <= MAX_SECRET_BYTES:
        raise ValueError(f"expected {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes, got {len(raw)}")
    return text


def _secret(given: object) -> str:
    if not isinstance(given, str):
        raise _Refused("secret: expected base 32")
    try:
        return secret_of(given)
    except ValueError as error:
        raise _Refused(f"secret: {error}") from None


def _one_of(field: str, given: object, allowed: tuple[int, ...], default: int) -> int:
    if given is None or given == "":
        return default
    if isinstance(given, bool) or str(given) not in map(str, allowed):
        raise _Refused(f"{field}: expected {', '.join(map(str, allowed[:-1]))} or {allowed[-1]}")
    return int(str(given))


def _text(field: str, given: object, longest: int) -> str | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > longest or not is_printable(given):
        raise _Refused(f"{field}: expected at most {longest} printable characters")
    return given


# otpauth://totp/Issuer:account?secret=...&issuer=...&algorithm=...&digits=...&period=...


def _from_uri(uri: str) -> dict[str, object]:
    try:
        parts = urlsplit(uri)
        query = parse_qs(parts.query, strict_parsing=True) if parts.query else {}
    except ValueError:
        raise _Refused("no otpauth:// URI") from None
    if parts.scheme != "otpauth":
        raise _Refused("expected otpauth:// or otpauth-migration://")
    if parts.netloc.lower() != "totp":
        raise _Refused("only time-based codes (totp) are supported")
    repeated = next((name for name, values in query.items() if len(values) > 1), None)
    if repeated is not None:
        raise _Refused("a parameter stands twice")
    given = {name.lower(): values[0] for name, values in query.items()}
    label = unquote(parts.path.removeprefix("/"))
    return {
        "user": _account(label),
        "label": label or None,
        **{name: given.get(name) for name in ("secret", "algorithm", "digits", "period")},
    }


def _account(label: str) -> str:
    """The account in a label `Issuer:account`."""
    issuer, colon, account = label.partition(":")
    return account.strip() if colon else issuer.strip()


# otpauth-migration://offline?data=<base64 of a protocol buffer>: message Payload { repeated Parameters = 1 }

_SECRET, _NAME, _ISSUER, _ALGORITHM, _DIGITS, _TYPE = 1, 2, 3, 4, 5, 6
_ALGORITHMS = {0: "SHA1", 1: "SHA1", 2: "SHA256", 3: "SHA512"}
_DIGIT_COUNTS = {0: 6, 1: 6, 2: 8}
_TOTP = 2


def _from_migration(line: int, uri: str) -> Iterator[Entry | Refusal]:
    try:
        (data,) = parse_qs(urlsplit(uri).query, strict_parsing=True)["data"]
        raw = base64.b64decode(data.replace(" ", "+"), validate=True)
        accounts = [value for field, value in _fields(raw) if field == 1 and isinstance(value, bytes)]
    except (ValueError, KeyError, IndexError):
        accounts = []
    if not accounts:
        yield Refusal(line, "no otpauth-migration:// export")
    for account in accounts:
        yield _taken(line, _from_parameters, account)


def _from_parameters(raw: bytes) -> dict[str, object]:
    try:
        found = dict(_fields(raw))
        name = cast("bytes", found.get(_NAME, b"")).decode()
        secret = base64.b32encode(cast("bytes", found.get(_SECRET, b""))).decode()
    except (ValueError, IndexError, AttributeError, TypeError):
        raise _Refused("no otpauth-migration:// export") from None
    if found.get(_TYPE) != _TOTP:
        raise _Refused("only time-based codes (totp) are supported")
    return {
        "user": _account(name),
        "label": name or None,
        "secret": secret,
        "algorithm": _ALGORITHMS.get(cast("int", found.get(_ALGORITHM, 0)), "unknown"),
        "digits": _DIGIT_COUNTS.get(cast("int", found.get(_DIGITS, 0)), 0),
    }


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer: numbers and length-delimited values.

    By hand, since the runtime library is larger than all of this service.

    Raises:
        ValueError, IndexError: it is none.
    """
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        match key & 7:
            case 0:
                number, at = _varint(raw, at)
                yield key >> 3, number
            case 2:
                length, at = _varint(raw, at)
                if at + length > len(raw):
                    raise ValueError("truncated")
                yield key >> 3, raw[at : at + length]
                at += length
            case _:
                raise ValueError("unknown wire type")


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("varint is too long")
