"""What may be reached through us: judged once, and then connected to that and nothing else."""

import datetime as dt
import ssl
import subprocess
import sys
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from service.domain.hook_urls import LOOPBACK_HOSTS, NOWHERE_PRIVATE, parse_private_hosts
from service.providers.webhook import PostFailed, Refusal, WebhookClient
from tests.support.receiver import Answer, receiving
from tests.support.stack import ROOT


def resolver(*answers):
    """Answers in turn, as a name server would that changes its mind; the last one for ever."""
    left = [[ip_address(a) for a in answer] for answer in answers]
    asked = []

    def resolve(host, port):
        asked.append((host, port))
        return left.pop(0) if len(left) > 1 else left[0]

    resolve.asked = asked
    return resolve


def client(resolve, private=LOOPBACK_HOSTS, https_only=False):
    return WebhookClient(private, https_only=https_only, resolve=resolve)


def test_the_host_is_named_and_the_address_is_the_one_that_was_judged(receiver):
    """The name exists in no DNS: it is connected to what the resolver said, with the name as `Host`."""
    resolve = resolver(["127.0.0.1"])
    answered = client(resolve).post(f"http://hooks.invalid:{receiver.port}/x", b"{}", {"A": "b"})
    assert answered.status == 200
    assert resolve.asked == [("hooks.invalid", receiver.port)]  # once
    assert receiver.posts[0].headers["host"] == f"hooks.invalid:{receiver.port}"
    assert receiver.posts[0].headers["a"] == "b"


def test_a_name_that_moves_to_a_private_address_is_not_followed_there(receiver):
    """DNS rebinding: public when the webhook is made, private when it is told."""
    posting = client(resolver(["93.184.216.34"], ["127.0.0.1"]), NOWHERE_PRIVATE)
    url = f"http://hooks.invalid:{receiver.port}/"
    assert posting.check(url).host == "hooks.invalid"
    with pytest.raises(PostFailed, match="address_refused"):
        posting.post(url, b"{}", {})
    assert receiver.posts == []


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["93.184.216.34", "::ffff:127.0.0.1"]]
)
def test_one_private_address_is_enough_to_refuse(receiver, addresses):
    posting = client(resolver(addresses), NOWHERE_PRIVATE)
    with pytest.raises(Refusal, match="OTP_PRIVATE_HOOKS"):
        posting.check(f"http://hooks.invalid:{receiver.port}/")
    with pytest.raises(PostFailed, match="address_refused"):
        posting.post(f"http://hooks.invalid:{receiver.port}/", b"{}", {})
    assert receiver.posts == []


def test_a_redirect_to_a_private_address_is_not_followed(receiver):
    """The first receiver may be told; what it points to may not, and is not asked."""
    with receiving() as inside:
        receiver.answer = lambda _: Answer(302, {"Location": f"{inside.url}/latest/meta-data"})
        allowed = parse_private_hosts("hooks.invalid")
        answered = client(resolver(["127.0.0.1"]), allowed).post(
            f"http://hooks.invalid:{receiver.port}/", b"{}", {}
        )
        assert answered.status == 302
        assert inside.posts == []


def test_a_second_address_is_tried_when_nobody_listens_at_the_first(receiver):
    posting = client(resolver(["127.0.0.2", "127.0.0.1"]))
    assert posting.post(f"http://hooks.invalid:{receiver.port}/", b"{}", {}).status == 200


def test_production_wants_https(receiver):
    posting = client(resolver(["127.0.0.1"]), https_only=True)
    with pytest.raises(Refusal, match="https"):
        posting.check(receiver.url)
    with pytest.raises(PostFailed, match="address_refused"):
        posting.post(receiver.url, b"{}", {})
    assert receiver.posts == []


def test_nothing_comes_out_of_a_name_that_is_no_name():
    def unknown(host, port):
        raise OSError

    with pytest.raises(Refusal, match="resolved"):
        client(unknown).check("http://hooks.invalid/")
    with pytest.raises(PostFailed, match="host_unknown"):
        client(unknown).post("http://hooks.invalid/", b"{}", {})


@pytest.fixture
def certificate(tmp_path):
    """A certificate of an authority of our own, for `hooks.invalid`, and the file that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.invalid")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(1)).not_valid_after(now + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.invalid")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    trusted, both = tmp_path / "trusted.pem", tmp_path / "both.pem"
    pem = made.public_bytes(serialization.Encoding.PEM)
    trusted.write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    both.write_bytes(private + pem)
    return trusted, both


def test_tls_is_verified_for_the_name_and_not_for_the_address(receiver, certificate, monkeypatch):
    trusted, both = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    receiver._server.socket = context.wrap_socket(receiver._server.socket, server_side=True)
    for host in ("hooks.invalid", "other.invalid"):
        with pytest.raises(PostFailed, match="tls"):  # by an authority that nobody knows
            client(resolver(["127.0.0.1"])).post(f"https://{host}:{receiver.port}/", b"{}", {})
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    knowing = client(resolver(["127.0.0.1"]))
    assert knowing.post(f"https://hooks.invalid:{receiver.port}/", b"{}", {}).status == 200
    for host in ("other.invalid", "127.0.0.1"):
        with pytest.raises(PostFailed, match="tls"):
            knowing.post(f"https://{host}:{receiver.port}/", b"{}", {})
    assert len(receiver.posts) == 1


def test_an_answer_that_never_ends_is_ended_by_the_deadline(receiver):
    """In a process as the worker is: patched by gevent."""
    receiver.trickle.set()
    program = f"""
from gevent import monkey; monkey.patch_all()
import time
from service.domain.hook_urls import LOOPBACK_HOSTS
from service.providers import webhook
webhook.DEADLINE = 1.0
began = time.monotonic()
try:
    webhook.WebhookClient(LOOPBACK_HOSTS, https_only=False).post({receiver.url!r}, b"{{}}", {{}})
except webhook.PostFailed as failure:
    print(failure, time.monotonic() - began < 5)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "timeout True"
