"""Where webhooks may be sent: to the public internet, and to private places that the operator named.

Whoever may register a webhook must not be able to reach through us what only we can reach.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import urlsplit

LONGEST = 2048  # characters
_PORTS = {"https": 443, "http": 80}
_NAT64 = ip_network("64:ff9b::/96")
_UNICAST = ip_network("2000::/3")  # all of IPv6 that is given out
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?", re.ASCII)

Address = IPv4Address | IPv6Address


class Target(NamedTuple):
    """A webhook's address in its parts; `path` with the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Where it is, without its path, which may be as good as a password."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """Host and, where it is not the usual one, port, as the `Host` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_target(url: str, *, https_only: bool) -> Target:
    """Take a webhook's address apart.

    Raises:
        ValueError: it is none; `str()` says what was expected.
    """
    expected = "expected https://host[:port][/path][?query]"
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or set(' \\"<>^`{|}#') & set(url):
        raise ValueError(expected)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ValueError(expected)
    if https_only and parts.scheme != "https":
        raise ValueError("must begin with https://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user or password; messages are signed instead")
    host = parts.hostname.rstrip(".")
    if _literal(host) is None and not _HOST.fullmatch(host):
        raise ValueError(expected)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or _PORTS[parts.scheme], path)


@dataclass(frozen=True, slots=True)
class PrivateHosts:
    """Hosts and networks that may be told though they are not on the public internet."""

    hosts: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]

    def allow(self, host: str, address: Address) -> bool:
        """Whether a host may be told at this address of it."""
        if is_public(address) or host in self.hosts:
            return True
        return any(address in network for network in self.networks if network.version == address.version)


LOOPBACK_HOSTS = PrivateHosts(frozenset({"localhost"}), (ip_network("127.0.0.0/8"), ip_network("::1/128")))
NOWHERE_PRIVATE = PrivateHosts(frozenset(), ())


def parse_private_hosts(text: str) -> PrivateHosts:
    """Parse `hooks.internal,10.1.0.0/16`.

    Raises:
        ValueError: an entry is neither a host's name nor a network.
    """
    hosts: set[str] = set()
    networks: list[IPv4Network | IPv6Network] = []
    for entry in filter(None, (part.strip().lower() for part in text.split(","))):
        try:
            networks.append(ip_network(entry))
        except ValueError:
            if "/" in entry or not _HOST.fullmatch(entry) or re.fullmatch(r"[0-9.]+", entry):
                raise ValueError("expected hosts or networks: hooks.internal,10.1.0.0/16") from None
            hosts.add(entry)
    return PrivateHosts(frozenset(hosts), tuple(networks))


def is_public(address: Address) -> bool:
    """Whether it is an address of the public internet, seen through what carries IPv4 inside IPv6."""
    if isinstance(address, IPv6Address):
        inner = _carried(address)
        if inner is not None:
            return is_public(inner)
        if address not in _UNICAST:
            return False
    return address.is_global and not (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_reserved
        or address.is_unspecified
    )


def _carried(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to: mapped, 6to4, NAT64."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
