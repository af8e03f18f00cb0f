"""HMAC-SHA256 by the vectors of RFC 4231, and as the standard library has it."""

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.mac import hmac_sha256

# RFC 4231 section 4: key, data, the first 16 bytes of the code.
VECTORS = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b"),
    (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c7"),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a7"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f",
    ),
]


@pytest.mark.parametrize(("key", "data", "code"), VECTORS)
def test_the_vectors(key, data, code):
    assert hmac_sha256(key, data)[:16].hex() == code


@given(st.lists(st.tuples(st.binary(max_size=80), st.binary(max_size=200)), max_size=40))
def test_no_code_depends_on_those_before_it(asked):
    for key, message in asked:
        assert hmac_sha256(key, message) == hmac.digest(key, message, hashlib.sha256)
