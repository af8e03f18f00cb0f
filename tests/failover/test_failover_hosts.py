"""Two hosts on one Redis Cluster: whatever one of them does, the other one knows."""

import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.support.servers import ClusterServers, started
from tests.support.stack import Api, Process, Stack, free_port, wait_until

ROUTE = "twilio_verify/sms/+1"


class Host:
    """A web server and a worker, each as its users start it, with a folder of their own."""

    def __init__(self, name, shared):
        folder = shared.folder / name
        folder.mkdir()
        self.port, self.worker_port = free_port(), free_port()
        env = {
            **shared.env,
            "OTP_DATA_DIR": str(folder / "data"),
            "OTP_PORT": str(self.port),
            "OTP_WORKERS": "1",
            "OTP_WORKER_PORT": str(self.worker_port),
        }
        self.parts = [
            Process(part, [sys.executable, "-m", "service.cli.main", part], env, folder)
            for part in ("web", "worker")
        ]
        self.url = f"http://127.0.0.1:{self.port}"
        self.api = Api(self.url)

    def start(self):
        for part in self.parts:
            part.start()

    def worker(self, path):
        return requests.get(f"http://127.0.0.1:{self.worker_port}{path}", timeout=5)

    def decided_at(self):
        """When its worker last decided on health, s since the epoch; `None`: never."""
        found = re.search(
            r'^otp_worker_last_step_timestamp_seconds{step="health"} (\S+)$',
            self.worker("/metrics").text,
            re.MULTILINE,
        )
        return float(found[1]) if found else None

    def is_ready(self):
        return requests.get(f"{self.url}/readyz", timeout=5).ok and self.worker("/readyz").ok

    def kill(self):
        for part in self.parts:
            part.kill()


@pytest.fixture(scope="module")
def shared():
    """What both hosts call: a cluster, and the sandbox in Twilio's place."""
    with started(ClusterServers) as servers:
        stack = Stack(REDIS_URL=servers.url)
        try:
            stack.start_sandbox()
            yield stack
        finally:
            stack.stop()


@pytest.fixture(scope="module")
def hosts(shared):
    found = [Host(name, shared) for name in ("one", "two")]
    try:
        for host in found:
            host.start()
        for host in found:
            wait_until(host.is_ready, 60)
        yield found
    finally:
        for host in found:
            host.kill()


@pytest.fixture
def sandbox(shared):
    shared.sandbox.reset()
    yield shared.sandbox
    shared.sandbox.heal()


def test_a_challenge_goes_on_at_another_host(hosts, sandbox):
    one, two = hosts
    begun = one.api.start("ada", phone="+14155550123")

    def follow(caller):
        while (now := caller("GET", f"/v1/challenges/{begun['id']}?wait=20").json())["status"] == "pending":
            pass
        return now["status"], time.monotonic()

    with ThreadPoolExecutor(1) as pool:  # whoever waits at one is woken by what happens at the other
        waiting = pool.submit(follow, Api(one.url))
        answer = two.api.verify(begun["id"], sandbox.code("+14155550123")).json()
        verified = time.monotonic()
        assert (answer["valid"], answer["channel"]) == (True, "sms")
        status, woken = waiting.result(25)
    assert status == "approved"
    assert woken - verified < 5  # not by the end of its wait
    assert one.api("POST", "/v1/proofs/introspect", {"proof": answer["proof"]}).json()["active"]
    app, codes = two.api.enroll("ada")
    assert one.api.verify(two.api.start("ada")["id"], app.now()).json()["valid"]
    spent = [host.api.verify(host.api.start("ada")["id"], codes[0]).json()["valid"] for host in hosts]
    assert spent == [True, False]


def test_a_breaker_that_opens_at_one_host_is_honoured_at_the_other(hosts, sandbox):
    one, two = hosts
    sandbox.fail("http_503", operation="send")

    def reason(host, name):
        found = host.api.start(name, phone="+14155550124", email=f"{name}@example.com")
        return found["switches"][0]["reason"]

    assert [reason(one, f"bob-{n}") for n in range(5)] == ["provider_error"] * 5
    failed = time.monotonic()
    wait_until(lambda: reason(one, "bob") == "circuit_open", 20)
    opened = time.monotonic()
    assert reason(two, "eve") == "circuit_open"
    print(
        f"open {opened - failed:.2f} s after the fifth failure, at the other {time.monotonic() - opened:.2f} s"
    )
    assert time.monotonic() - opened < 1
    for host in hosts:
        found = host.api("GET", "/v1/ops/health").json()
        assert {route["route"]: route["state"] for route in found["routes"]}[ROUTE] == "open"


def test_a_worker_by_itself_can_be_watched(hosts):
    for host in hosts:
        assert host.worker("/healthz").text == "ok\n"
        assert 'otp_worker_last_step_timestamp_seconds{step="deadlines"}' in host.worker("/metrics").text
        assert host.worker("/v1/ops/health").status_code == 404
    # One of them decides on health for both.
    wait_until(lambda: any(host.decided_at() for host in hosts))


def test_a_host_dies_and_its_logins_go_on(hosts, sandbox):
    one, two = hosts
    begun = one.api.start("fay", email="fay@example.com")
    code = sandbox.code("fay@example.com", "email")
    one.kill()
    killed = time.time()
    assert two.api.verify(begun["id"], code).json()["valid"]
    wait_until(lambda: (two.decided_at() or 0) > killed, 30)
