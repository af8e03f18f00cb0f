"""JSON made to hurt, to everything that takes a body: a problem document, quickly, and nothing stored."""

import hashlib
import json
import re
import time

import pytest
from twilio.request_validator import RequestValidator

from service.app import build
from service.core import build_core
from service.http import application
from service.http.endpoint import OPERATIONS
from service.settings import Settings
from tests.support.stack import API_KEY, TOKEN

HOSTILE = {
    "deep arrays": b"[" * 60_000,
    "deep arrays that end": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "a deep value": b'{"user_id":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "many elements": b'{"user_id": [' + b"1," * 30_000 + b"1]}",
    "many fields": b"{" + b",".join(b'"f%d":1' % n for n in range(5_000)) + b"}",
    "one field many times": b"{" + b'"user_id":1,' * 4_000 + b'"user_id":1}',
    "a big number": b'{"user_id": ' + b"9" * 60_000 + b"}",
    "a big exponent": b'{"user_id": 1e999999999}',
    "not a number": b'{"user_id": NaN}',
    "infinity": b'{"user_id": -Infinity}',
    "half a character": b'{"user_id": "\\ud800"}',
    "half a character as a name": b'{"\\udfff": 1}',
    "a NUL": b'{"user_id": "a\\u0000b"}',
    "a raw NUL": b'{"user_id": "a\x00b"}',
    "a name with a NUL": b'{"us\\u0000er": 1}',
    "a prototype": b'{"__proto__": {"user_id": "u"}, "constructor": 1, "__class__": 1}',
    "not UTF-8": b'{"user_id": "\xff"}',
    "UTF-16": '{"user_id": "u"}'.encode("utf-16"),
    "an overlong NUL": b'{"user_id": "\xc0\x80"}',
    "a mark at the beginning": b"\xef\xbb\xbf{}",
    "comments": b'{/* */ "user_id": "u"}',
    "two documents": b"{}{}",
}


@pytest.fixture(scope="module")
def browser(stack):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in stack.env.items():
            if name.startswith(("OTP_", "REDIS_", "TWILIO_", "SMTP_", "MAIL_")):
                patch.setenv(name, value)
        yield application.create_app(build(build_core(Settings.load()))).test_client()


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_it_is_refused_by_everything_that_takes_a_body(stack, browser, raw):
    taking = [operation for operation in OPERATIONS if operation.body is not None]
    assert len(taking) > 15
    before = stack.redis().dbsize()
    for operation in taking:
        path = re.sub(r"\{\w+\}", "x", operation.path)
        began = time.monotonic()
        answer = browser.open(
            path,
            method=operation.method,
            data=raw,
            headers={"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"},
        )
        assert answer.status_code in (400, 422), (path, answer.text)
        assert answer.content_type == "application/problem+json"
        assert json.loads(answer.data)["code"] in ("malformed_body", "invalid_request"), answer.text
        assert len(answer.data) < 10_000
        assert time.monotonic() - began < 10
    assert stack.redis().dbsize() == before


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_under_an_idempotency_key_too(browser, raw):
    headers = {
        "Authorization": f"Bearer {API_KEY}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"hostile-{hashlib.sha256(raw).hexdigest()}",
    }
    first, again = (browser.post("/v1/challenges", data=raw, headers=headers) for _ in range(2))
    assert first.status_code == again.status_code
    assert first.status_code in (400, 422)
    assert again.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_delivery_reports_too(stack, browser, raw):
    """Even where the signature fits: the sender's own mistake is no fault here."""
    url = "http://localhost/hooks/twilio"
    query = f"?bodySHA256={hashlib.sha256(raw).hexdigest()}"
    signature = RequestValidator(TOKEN).compute_signature(url + query, {})
    answer = browser.post(
        "/hooks/twilio" + query,
        data=raw,
        headers={"Content-Type": "application/json", "X-Twilio-Signature": signature},
    )
    assert answer.status_code in (400, 422), answer.text
