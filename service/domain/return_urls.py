"""Where a page may send its user back to: an allow-list, so that no link of ours leads to a stranger.

Compared as parsed parts, never as text: origin exactly, path by whole segments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlencode, urlsplit

_PORTS = {"https": 443, "http": 80}
RESULT = {"challenge_id", "enrollment_id", "status", "proof"}  # what we add; nobody may have put it there
_LOOPBACK_HOSTS = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Rule:
    """One allowed origin, and the path below which everything is allowed. `port` 0: any."""

    scheme: str
    host: str
    port: int
    path: str

    def covers(self, parts: SplitResult) -> bool:
        """Whether a well-formed address is this one or below it."""
        port = _PORTS[parts.scheme] if parts.port is None else parts.port
        if (parts.scheme, parts.hostname) != (self.scheme, self.host) or self.port not in (0, port):
            return False
        below = self.path if self.path.endswith("/") else f"{self.path}/"
        path = parts.path or "/"
        return path == self.path or path.startswith(below)


@dataclass(frozen=True, slots=True)
class ReturnUrls:
    """An allow-list."""

    rules: tuple[Rule, ...]

    def allow(self, url: str) -> bool:
        """Whether an address may be returned to."""
        parts = _parse(url)
        return parts is not None and any(rule.covers(parts) for rule in self.rules)


LOOPBACK = ReturnUrls(tuple(Rule("http", host, 0, "/") for host in sorted(_LOOPBACK_HOSTS)))


def parse_return_urls(text: str) -> ReturnUrls:
    """Parse `https://shop.example/login,https://...`.

    Raises:
        ValueError: an entry is no plain address, or would carry proofs unencrypted over a network.
    """
    rules = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        parts = _parse(entry)
        if parts is None or parts.query:
            raise ValueError("expected https://host[:port][/path][,https://...]")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK_HOSTS:
            raise ValueError("expected https://, or http:// on this machine")
        port = _PORTS[parts.scheme] if parts.port is None else parts.port
        rules.append(Rule(parts.scheme, parts.hostname or "", port, parts.path or "/"))
    if not rules:
        raise ValueError("expected https://host[:port][/path][,https://...]")
    return ReturnUrls(tuple(rules))


def with_result(url: str, result: Mapping[str, str]) -> str:
    """An address with what came of the visit added to its query."""
    joint = "&" if urlsplit(url).query else "?"
    return f"{url}{joint}{urlencode(result)}"


def _parse(url: str) -> SplitResult | None:
    """An address without anything that two parsers might read in two ways."""
    if not url.isascii() or not url.isprintable() or any(char in url for char in " \\#@\"'<>`^{|};"):
        return None
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or parts.port == 0:
        return None
    if url.endswith("?") or RESULT & set(parse_qs(parts.query, keep_blank_values=True)):
        return None
    lowered = parts.path.lower()
    if "/../" in f"{lowered}/" or "/./" in f"{lowered}/" or "%2e" in lowered or "%2f" in lowered:
        return None
    return parts
