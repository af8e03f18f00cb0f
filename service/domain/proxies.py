"""Where a call came from, when proxies that we trust stand in between."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

MOST_HOPS = 32  # of a header that anybody may write


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The proxies whose word is taken: each adds to `X-Forwarded-For` who called it."""

    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "TrustedProxies":
        """Parse `10.1.0.0/16,192.0.2.7`.

        Raises:
            ValueError: an entry is neither an address nor a network.
        """
        try:
            return cls(tuple(ip_network(entry) for entry in map(str.strip, text.split(",")) if entry))
        except ValueError:
            raise ValueError("expected addresses or networks: 10.1.0.0/16,192.0.2.7") from None

    def caller(self, peer: str | None, forwarded_for: str) -> str | None:
        """The address nearest to us that no trusted proxy has.

        Args:
            peer: who is connected to us.
            forwarded_for: the header as it came; what stands left of an untrusted address is its own word.
        """
        present = peer
        hops = [hop.strip() for hop in forwarded_for.split(",")[-MOST_HOPS:]]
        while hops and present is not None and self._trusts(present):
            hop = _address(hops.pop())
            if hop is None:
                break
            present = hop
        return present

    def _trusts(self, address: str) -> bool:
        known = _address(address)
        if known is None:
            return False
        parsed = ip_address(known)
        return any(parsed in network for network in self.networks if network.version == parsed.version)


def _address(text: str) -> str | None:
    """An address in its usual form; those of IPv4 inside IPv6 as IPv4."""
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    inner = getattr(parsed, "ipv4_mapped", None)
    return str(inner or parsed)
