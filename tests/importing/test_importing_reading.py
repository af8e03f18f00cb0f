"""Reading what other systems export; what can't be taken is told by line, and never with its secret."""

import base64
import contextlib
import json
from urllib.parse import quote

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.importing import Entry, Refusal, guess_format, read

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def varint(number: int) -> bytes:
    out = b""
    while True:
        number, low = number >> 7, number & 0x7F
        out += bytes([low | (0x80 if number else 0)])
        if not number:
            return out


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def account(secret: bytes = b"s" * 20, name: str = "Shop:zoe", algorithm=1, digits=1, kind=2) -> bytes:
    return (
        field(1, secret) + field(2, name.encode()) + field(3, b"Shop")
        + field(4, algorithm) + field(5, digits) + field(6, kind)
    )  # fmt: skip


def migration(*accounts: bytes) -> str:
    payload = b"".join(field(1, one) for one in accounts) + field(2, 1) + field(3, 1) + field(5, 4711)
    return f"otpauth-migration://offline?data={quote(base64.b64encode(payload).decode())}"


def one(text: str, form=None):
    lines = text.splitlines(keepends=True)
    (found,) = read(lines, form or guess_format(lines[0]))
    return found


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize("digits", [6, 8])
@pytest.mark.parametrize("period", [30, 60])
def test_the_same_app_in_every_format(algorithm, digits, period):
    digest = {"SHA1": None, "SHA256": "sha256", "SHA512": "sha512"}[algorithm]
    wanted = ("zoe@x.example", SECRET, algorithm, digits, period)
    uri = pyotp.TOTP(SECRET, digits=digits, interval=period).provisioning_uri(
        name="zoe@x.example", issuer_name="My Shop"
    )
    if digest:
        uri += f"&algorithm={algorithm}"
    texts = [
        uri,
        f"user,secret,algorithm,digits,period\nzoe@x.example,{SECRET},{algorithm},{digits},{period}\n",
        json.dumps({"user": "zoe@x.example", "secret": SECRET, "algorithm": algorithm, "digits": digits, "period": period}),
        json.dumps([{"user": "zoe@x.example", "secret": SECRET, "algorithm": algorithm, "digits": str(digits), "period": period}], indent=1),
    ]  # fmt: skip
    for text in texts:
        found = one(text)
        assert (found.user_id, found.secret, found.algorithm, found.digits, found.period) == wanted, text


@pytest.mark.parametrize(("number", "algorithm"), [(0, "SHA1"), (1, "SHA1"), (2, "SHA256"), (3, "SHA512")])
@pytest.mark.parametrize(("count", "digits"), [(0, 6), (1, 6), (2, 8)])
def test_google_authenticators_export(number, algorithm, count, digits):
    found = one(migration(account(algorithm=number, digits=count)))
    assert found == Entry(
        1, "zoe", base64.b32encode(b"s" * 20).decode(), algorithm, digits, 30, label="Shop:zoe"
    )


def test_an_export_of_several_accounts_beside_other_lines():
    text = (
        "# from the old system\n"
        f"{migration(account(name='ann'), account(name='bob', kind=1), account(secret=b'x'), account(name='dan'))}\n"
        "\n"
        f"otpauth://totp/Shop:eve?secret={SECRET}\n"
    )
    found = list(read(text.splitlines(keepends=True), "uri"))
    assert [f.user_id for f in found if isinstance(f, Entry)] == ["ann", "dan", "eve"]
    assert [f for f in found if isinstance(f, Refusal)] == [
        Refusal(2, "only time-based codes (totp) are supported"),
        Refusal(2, "secret: expected 10 to 128 bytes, got 1"),
    ]
    assert found[-1].line == 4


def test_what_people_and_spreadsheets_make_of_it():
    text = '\ufeffUser, Secret ,Label\r\n"Zoë, the first", jbsw y3dp-ehpk 3pxp ,\r\n,,\r\n'
    assert one(text) == Entry(2, "Zoë, the first", "JBSWY3DPEHPK3PXP")
    assert (
        one(f'\ufeff{{"user": "zoe", "secret": "{SECRET}===", "algorithm": "hmac-sha-256"}}').algorithm
        == "SHA256"
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("otpauth://hotp/zoe?secret=" + SECRET + "&counter=1", "time-based"),
        ("otpauth://totp/zoe", "secret: expected base 32"),
        ("otpauth://totp/?secret=" + SECRET, "user"),
        ("otpauth://totp/zoe?secret=" + SECRET + "&secret=" + SECRET, "twice"),
        ("otpauth://totp/zoe?secret=" + SECRET + "&digits=9", "digits: expected 6, 7 or 8"),
        ("otpauth://totp/zoe?secret=" + SECRET + "&digits=6.0", "digits"),
        ("otpauth://totp/zoe?secret=" + SECRET + "&period=45", "period: expected 30 or 60"),
        ("otpauth://totp/zoe?secret=" + SECRET + "&period=0000000303", "period"),
        ("otpauth://totp/zoe?secret=" + SECRET + "&digits=0000000061", "digits"),
        ("otpauth://totp/zoe?secret=" + SECRET + "&algorithm=MD5", "algorithm: expected SHA1"),
        ("otpauth://totp/zoe?secret=JBSWY3DPEHPK3PX1", "secret: expected base 32"),
        ("otpauth://totp/zoe?secret=JBSWY3DP", "secret: expected 10 to 128 bytes, got 5"),
        ("otpauth://totp/" + "z" * 257 + "?secret=" + SECRET, "user: expected 1 to 256"),
        ("otpauth://totp/z%00e?secret=" + SECRET, "user"),
        ("otpauth://[totp/zoe?secret=" + SECRET, "no otpauth"),
        ("otpauth-migration://offline?data=AAAA", "no otpauth-migration"),
        ("otpauth-migration://offline?data=%", "no otpauth-migration"),
        ("otpauth-migration://offline", "no otpauth-migration"),
        (migration(account(algorithm=4)), "algorithm"),
        (migration(account(name="")), "user"),
        (migration(field(1, 5)), "no otpauth-migration"),
        ('{"user": "zoe"}', "secret: expected base 32"),
        ('{"user": 5, "secret": "' + SECRET + '"}', "user"),
        ('{"user": "zoe", "secret": "' + SECRET + '", "digits": true}', "digits"),
        ('{"user": "zoe", "secret": "' + SECRET + '", "pin": "1"}', "unknown field 'pin'"),
        ('{"user": "zoe", "secret": "' + SECRET + '", "label": ["x"]}', "label"),
        ("{nonsense", "no JSON"),
        ("[5]", "expected an object"),
        ("user,secret\nzoe\n", "expected 2 fields, got 1"),
        ('user,secret\n"zoe"x,' + SECRET + "\n", "no CSV"),
    ],
)  # fmt: skip
def test_refused(text, why):
    found = one(text)
    assert isinstance(found, Refusal)
    assert why in found.why
    assert SECRET not in found.why
    assert "JBSWY" not in found.why


def test_a_stray_quote_costs_one_line():
    rows = [f"user-{number},{SECRET}," for number in range(1, 103)]
    rows[1] += '"Bob'
    found = list(read(["user,secret,label\n", *(f"{row}\n" for row in rows)], "csv"))
    assert [one for one in found if isinstance(one, Refusal)] == [
        Refusal(3, "no CSV, or a quote that is not closed on its line")
    ]
    assert len([one for one in found if isinstance(one, Entry)]) == 101


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("name,secret\n", "csv"),
        ("user\n", "csv"),
        ("user,secret,secret\n", "csv"),
        ("", "csv"),
        ("[1,", "json"),
    ],
)
def test_what_is_not_of_the_format_at_all(text, form):
    with pytest.raises(ValueError, match="expected a"):
        list(read(text.splitlines(keepends=True), form))


def test_secrets_are_not_shown():
    assert SECRET not in repr(Entry(1, "zoe", SECRET))


@given(st.text(), st.sampled_from(["uri", "csv", "json"]))
def test_no_text_upsets_it(text, form):
    found = []
    with contextlib.suppress(ValueError):
        found += read(text.splitlines(keepends=True), form)
    assert all(isinstance(one, Entry | Refusal) for one in found)


@given(st.binary(max_size=200))
def test_no_payload_upsets_it(raw):
    uri = f"otpauth-migration://offline?data={quote(base64.b64encode(raw).decode())}"
    assert list(read([uri], "uri"))


@given(st.binary(max_size=30), st.integers(0, 60))
def test_a_damaged_payload_is_refused_or_read(junk, at):
    good = field(1, account())
    uri = f"otpauth-migration://offline?data={quote(base64.b64encode(good[:at] + junk + good[at:]).decode())}"
    assert list(read([uri], "uri"))
