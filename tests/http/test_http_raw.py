"""What is no HTTP request, or could be read in two ways: refused, and nothing after it is taken for another."""

import json
import socket

import pytest

from tests.support.stack import API_KEY

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
NEXT = b"GET /v1/ops/mode HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + API_KEY.encode() + b"\r\n\r\n"
POST = b"POST /v1/challenges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + API_KEY.encode() + b"\r\n"
CHUNKED = POST + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"

REFUSED = {
    # Framing that two readers could understand in two ways (RFC 9112 section 6.3)
    "both lengths": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, the other way round": CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 40\r\n\r\n{}{}",
    "two equal lengths": POST + b"Content-Length: 4\r\nContent-Length: 4\r\n\r\n{}{}",
    "a list of lengths": POST + b"Content-Length: 4, 4\r\n\r\n{}{}",
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +4\r\n\r\n{}{}",
    "a hexadecimal length": POST + b"Content-Length: 0x4\r\n\r\n{}{}",
    "a length in other digits": POST + b"Content-Length: \xb2\r\n\r\n{}",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked, and then not": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "not chunked at last": POST + b"Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a hidden coding": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "chunked for HTTP/1.0": CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n0\r\n\r\n",
    "space before the colon": POST + b"Content-Length : 4\r\n\r\n{}{}",
    "a folded line": GET + b"X-A: 1\r\n folded\r\n\r\n",
    "two hosts": GET + b"Host: y\r\n\r\n",
    # Chunks (RFC 9112 section 7.1)
    "a chunk size that is none": CHUNKED + b"\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a chunk size with a prefix": CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"\r\n2\r\n{}{}\r\n0\r\n\r\n",
    "a chunk size without end": CHUNKED + b"\r\n" + b"0" * 9000,
    "chunks that end in a line feed": CHUNKED + b"\r\n2\n{}\n0\n\n",
    "a huge chunk": CHUNKED + b"\r\nfffffffffffffffff\r\n" + b" " * 70_000,
    # Lines and fields
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/2.0": b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.10": b"GET /healthz HTTP/1.10\r\nHost: x\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c403030000000000000000") + b"\r\n\r\n",
    "no method": b" /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in small letters": b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in the path": b"GET /heal\x00thz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in a field": GET + b"X-A: a\x00b\r\n\r\n",
    "a NUL in a name": GET + b"X\x00A: a\r\n\r\n",
    "a carriage return in a field": GET + b"X-A: a\rb\r\n\r\n",
    "a line feed as the end of a line": b"GET /healthz HTTP/1.1\nHost: x\n\n\r\n\r\n",
    "no colon": GET + b"nonsense\r\n\r\n",
    "no name": GET + b": x\r\n\r\n",
    "an expectation that is none": GET + b"Expect: the unexpected\r\n\r\n",
    "a long line": b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a large field": GET + b"X-A: " + b"x" * 9000 + b"\r\n\r\n",
    "many fields": GET + b"".join(b"X-%d: 1\r\n" % n for n in range(80)) + b"\r\n",
    "a header without end": GET + b"X-A: 1\r\n" * 100_000,
}  # fmt: skip


def conversation(stack, raw):
    """Everything that the server answers until it closes."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=8) as client:
        heard = b""
        try:
            client.sendall(raw)
            while data := client.recv(65536):
                heard += data
        except ConnectionError:  # it had enough
            pass
        return heard


def parts(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *fields = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
    return int(first.split()[1]), headers, body


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_it_is_refused_and_what_follows_is_not_taken_for_a_request(stack, raw):
    before = stack.redis().dbsize()
    heard = conversation(stack, raw + NEXT)
    assert heard.count(b"HTTP/1.1 ") == 1, heard
    status, headers, body = parts(heard)
    assert 400 <= status < 500 or status == 501, heard
    assert headers["connection"] == "close"
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cache-control"] == "no-store"
    problem = json.loads(body)
    assert (problem["status"], problem["request_id"]) == (status, headers["x-request-id"])
    assert API_KEY not in str(problem)
    assert "mode" not in str(problem)
    assert "gunicorn" not in str(headers)
    assert stack.redis().dbsize() == before


def test_an_endless_body_that_nobody_reads_does_not_occupy_a_process(stack):
    """An unknown path does not look at the body; the connection is given up rather than read to its end."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=8) as client:
        client.sendall(b"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            while sent < 256 * 1024 * 1024:
                client.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                sent += 65536
        except ConnectionError:
            pass
    assert sent < 16 * 1024 * 1024


def test_a_connection_goes_on_after_a_refusal_whose_end_is_known(stack):
    small = b"POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    heard = conversation(stack, small + GET + b"Connection: close\r\n\r\n")
    assert heard.count(b"HTTP/1.1 404") == 1
    assert heard.count(b"HTTP/1.1 200") == 1


def test_names_that_could_be_mistaken_for_others_are_left_out(stack):
    """`X_Request_Id` would have the name of `X-Request-Id` in the environment that applications see."""
    _, headers, _ = parts(conversation(stack, GET + b"X_Request_Id: mine\r\nConnection: close\r\n\r\n"))
    assert headers["x-request-id"] != "mine"


def test_chunks_are_understood(stack):
    for ending in (b"\r\n", b"X-Trailer: ignored\r\n\r\n"):
        body = b'\r\n9;ext="v"\r\n{"user_id\r\n6\r\n": ""}\r\n0\r\n' + ending
        status, _, said = parts(conversation(stack, CHUNKED + b"Connection: close\r\n" + body))
        assert (status, json.loads(said)["code"]) == (422, "invalid_request")
