"""Where a call came from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.proxies import TrustedProxies

OURS = TrustedProxies.parse("10.0.0.0/8, 192.0.2.7, 2001:db8::/32")


@pytest.mark.parametrize(
    ("peer", "header", "caller"),
    [
        ("198.51.100.1", "", "198.51.100.1"),
        ("198.51.100.1", "203.0.113.9", "198.51.100.1"),  # a stranger's word
        ("10.1.1.1", "203.0.113.9", "203.0.113.9"),
        ("10.1.1.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"),  # the rest is that one's own word
        ("10.1.1.1", "203.0.113.9, 10.9.9.9, 192.0.2.7", "203.0.113.9"),
        ("::ffff:10.1.1.1", "203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:DB9:0:0::1", "2001:db9::1"),
        ("10.1.1.1", "nonsense", "10.1.1.1"),
        ("10.1.1.1", "203.0.113.9, nonsense", "10.1.1.1"),
        ("10.1.1.1", "", "10.1.1.1"),
        (None, "203.0.113.9", None),
    ],
)
def test_who_called_seen_through_proxies(peer, header, caller):
    assert OURS.caller(peer, header) == caller


@given(st.text(), st.ip_addresses().map(str))
def test_without_trusted_ones_no_header_matters(header, peer):
    assert TrustedProxies.parse("").caller(peer, header) == peer


@given(st.lists(st.ip_addresses(v=4).map(str), min_size=1))
def test_the_answer_is_never_a_trusted_one_while_there_is_another(hops):
    caller = OURS.caller("10.1.1.1", ", ".join(hops))
    last_strange = next((hop for hop in reversed(hops) if OURS.caller(hop, "203.0.113.9") == hop), None)
    assert last_strange is None or caller == last_strange or len(hops) > 32


@pytest.mark.parametrize("text", ["proxy.internal", "10.0.0.0/33", "10.0.0.1/8"])
def test_what_is_no_network(text):
    with pytest.raises(ValueError, match="expected addresses or networks"):
        TrustedProxies.parse(text)
