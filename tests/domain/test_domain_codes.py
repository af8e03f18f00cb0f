"""Codes: the RFCs' vectors, and what must hold for all of them."""

import string

import pyotp
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.channels import totp as totp_channel
from service.channels.backup_code import hash_backup_code
from service.domain import codes, totp
from service.domain.user import TotpFactor, User

# RFC 4226, appendix D: secret "12345678901234567890"
SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
HOTP = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489".split()
# RFC 6238, appendix B: seconds, and the code by each hash, 8 digits; the seeds of the longer hashes are
# the same text repeated to their length
SEEDS = {
    "SHA1": b"12345678901234567890",
    "SHA256": b"12345678901234567890123456789012",
    "SHA512": b"1234567890123456789012345678901234567890123456789012345678901234",
}
TOTP = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]


def base32(seed):
    import base64

    return base64.b32encode(seed).decode()


@pytest.mark.parametrize(("counter", "code"), list(enumerate(HOTP)))
def test_rfc_4226_appendix_d(counter, code):
    assert totp.matching_step(SECRET, code, max(counter, 1) * 30_000) == counter


@pytest.mark.parametrize(("at", "sha1", "sha256", "sha512"), TOTP)
def test_rfc_6238_appendix_b(at, sha1, sha256, sha512):
    for algorithm, code in (("SHA1", sha1), ("SHA256", sha256), ("SHA512", sha512)):
        step = totp.matching_step(base32(SEEDS[algorithm]), code, at * 1000, algorithm=algorithm, digits=8)
        assert step == at // 30


@given(
    step=st.integers(3, 10**9),
    offset=st.integers(-3, 3),
    within=st.integers(0, 29_999),
    seed=st.binary(min_size=20, max_size=20),
)
def test_a_step_either_way_is_accepted_and_two_are_not(step, offset, within, seed):
    secret = base32(seed)
    code = pyotp.TOTP(secret).generate_otp(step + offset)
    near = {pyotp.TOTP(secret).generate_otp(step + i) for i in (-1, 0, 1)}
    assume(abs(offset) <= 1 or code not in near)  # two steps may share a code, once in a million
    found = totp.matching_step(secret, code, step * 30_000 + within)
    assert (found is not None) is (abs(offset) <= 1)


@given(last=st.integers(100, 103), seed=st.binary(min_size=20, max_size=20))
def test_a_step_that_was_used_and_those_before_it_are_not_accepted_again(last, seed):
    secret = base32(seed)
    user = User("k", "a", "u", totp=(TotpFactor("fa", secret, 0, last_step=last),))
    for step in (100, 101, 102):
        code = pyotp.TOTP(secret).generate_otp(step)
        later = [pyotp.TOTP(secret).generate_otp(i) for i in (100, 101, 102) if i > step]
        assume(code not in later)
        match = totp_channel.match(user, code, 101 * 30_000)
        assert (match is not None) is (step > last)
        if match:
            assert (match.factor_id, match.step) == ("fa", step)


def test_every_app_of_a_user_is_compared_by_its_own_parameters():
    factors = (
        TotpFactor("fa_1", SECRET, 0),
        TotpFactor("fa_2", base32(SEEDS["SHA256"]), 0, algorithm="SHA256", digits=8),
        TotpFactor("fa_3", base32(SEEDS["SHA512"]), 0, algorithm="SHA512", digits=7, period=60),
    )
    user = User("k", "a", "u", totp=factors)
    now = 1_111_111_111
    assert totp_channel.match(user, "050471", now * 1000).factor_id == "fa_1"
    assert totp_channel.match(user, "67062674", now * 1000).factor_id == "fa_2"
    code = pyotp.TOTP(factors[2].secret, digits=7, digest="sha512", interval=60).at(now)
    assert totp_channel.match(user, code, now * 1000).factor_id == "fa_3"
    assert totp_channel.match(user, "1234567", now * 1000) is None


def test_a_new_secret_has_160_bits_and_its_uri_reads_back():
    secret = totp.new_secret(lambda n: bytes(range(n)))
    assert len(secret) == 32
    uri = totp.provisioning_uri(secret, account="a b@x.example", issuer="Shop & Co: Ltd")
    parsed = pyotp.parse_uri(uri)
    assert (parsed.secret, parsed.digits, parsed.interval) == (secret, 6, 30)
    assert parsed.issuer == "Shop & Co: Ltd"


@given(key=st.binary(min_size=32, max_size=32), challenge=st.text(min_size=1, max_size=40))
def test_a_derived_code_has_six_digits_and_is_the_same_again(key, challenge):
    code = codes.derive_code(key, challenge, "email")
    assert len(code) == 6
    assert code.isascii()
    assert code.isdigit()
    assert code == codes.derive_code(key, challenge, "email")


def test_derived_codes_are_spread_and_differ_by_challenge_family_and_key():
    key = b"k" * 32
    many = [codes.derive_code(key, f"ch_{n}", "email") for n in range(20_000)]
    assert len(set(many)) > 19_700  # a birthday or two
    first = [sum(code[0] == digit for code in many) for digit in string.digits]
    assert max(first) < 1.15 * min(first)
    assert codes.derive_code(key, "ch_1", "phone") != many[1]
    assert codes.derive_code(b"j" * 32, "ch_1", "email") != many[1]


@given(st.lists(st.sampled_from("0123456789"), min_size=4, max_size=10), st.data())
def test_blanks_hyphens_and_other_scripts_do_not_count(digits, data):
    typed = "".join(
        data.draw(st.sampled_from([digit, chr(0xFF10 + int(digit)), chr(0x660 + int(digit))]))
        + data.draw(st.sampled_from(["", " ", "-", "\u00a0"]))
        for digit in digits
    )
    assert codes.normalise_numeric(typed) == "".join(digits)


@pytest.mark.parametrize("text", ["", "123", "12345678901", "12a456", "½23456", "²23456", "١٢٣x", "-"])
def test_what_is_no_numeric_code(text):
    assert codes.normalise_numeric(text) is None


def test_backup_codes():
    made = codes.new_backup_codes(iter_bytes())
    assert len(set(made)) == 10
    for code in made:
        assert len(code.replace("-", "")) == 16  # 80 bits by 5
        assert not set(code) & set("ILOU")
        assert [len(part) for part in code.split("-")] == [4, 4, 4, 4]


def iter_bytes():
    import hashlib
    import itertools

    numbers = itertools.count()
    return lambda n: hashlib.sha512(str(next(numbers)).encode()).digest()[:n]


@given(st.binary(min_size=10, max_size=10), st.data())
def test_a_backup_code_is_recognised_however_it_is_typed(raw, data):
    code = codes.new_backup_codes(lambda _n: raw)[0]
    misread = {"0": "0oO", "1": "1iIlL"}
    typed = "".join(
        data.draw(st.sampled_from(misread.get(c, c + c.lower()))) + data.draw(st.sampled_from(["", " "]))
        for c in code
        if c != "-"
    )
    assert codes.normalise_backup_code(typed) == code.replace("-", "")
    key = b"k" * 32
    assert hash_backup_code(key, "a", typed) == hash_backup_code(key, "a", code)
    assert hash_backup_code(key, "b", code) != hash_backup_code(key, "a", code)
    assert hash_backup_code(b"j" * 32, "a", code) != hash_backup_code(key, "a", code)


@pytest.mark.parametrize(
    "text", ["", "123456", "7K3D-9FQW-2M8T-XH5", "7K3D-9FQW-2M8T-XH5VV", "U" * 16, "é" * 16]
)
def test_what_is_no_backup_code(text):
    assert codes.normalise_backup_code(text) is None
    assert hash_backup_code(b"k" * 32, "a", text) is None


@given(st.text(max_size=20), st.text(max_size=20))
def test_comparing(left, right):
    assert codes.same_code(left, right) is (left == right)
