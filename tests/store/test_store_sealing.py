"""Sealing: what is sealed for one record opens there, under the keys given, and nowhere else."""

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import KeyUnusable
from service.store.keyring import Keyring, load_keyring
from service.store.sealing import Sealer

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.binary(max_size=300), st.text(min_size=1, max_size=60))
def test_round_trip(text, record):
    sealer = Sealer({"k1": OLD})
    sealed = sealer.seal(text, record)
    assert sealer.open(sealed, record) == text
    assert sealed != sealer.seal(text, record)
    if len(text) > 3:
        raw = base64.urlsafe_b64decode(sealed.partition(".")[2] + "==")
        assert text not in raw


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_elsewhere_it_does_not_open(here, there):
    sealer = Sealer({"k1": OLD})
    sealed = sealer.seal(b"secret", here)
    if here != there:
        with pytest.raises(KeyUnusable):
            sealer.open(sealed, there)


@given(st.data())
def test_a_changed_byte_does_not_open(data):
    sealer = Sealer({"k1": OLD})
    raw = bytearray(base64.urlsafe_b64decode(sealer.seal(b"some secret", "r").partition(".")[2] + "=="))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(KeyUnusable):
        sealer.open("k1." + base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="), "r")


@given(st.text(max_size=60))
def test_rubbish_does_not_open(text):
    with pytest.raises(KeyUnusable):
        Sealer({"k1": OLD}).open(text, "r")


def test_keys_change():
    old = Sealer({"k1": OLD}).seal(b"x", "r")
    both = Sealer({"k2": NEW, "k1": OLD})
    assert both.open(old, "r") == b"x"
    assert both.seal(b"x", "r").startswith("k2.")
    with pytest.raises(KeyUnusable, match="k1"):
        Sealer({"k2": NEW}).open(old, "r")
    with pytest.raises(KeyUnusable):
        Sealer({"k1": NEW}).open(old, "r")


def test_the_data_keys_are_made_once_and_survive_a_change_of_master_key(core, redis):
    again = load_keyring(core.store, core.sealer, secrets.token_bytes)
    assert again == core.keyring
    stored = redis.get("otp:keyring")
    for name in Keyring.__slots__:
        key = getattr(again, name)
        assert len(key) == 32
        assert key not in stored
        assert base64.b64encode(key) not in stored
    assert repr(again) == "Keyring(...)"
    with pytest.raises(KeyUnusable):
        load_keyring(core.store, Sealer({"k9": NEW}), secrets.token_bytes)
    assert redis.get("otp:keyring") == stored
