"""Redis as it is run in earnest: a primary dies under load, in a cluster and behind Sentinels.

Whatever is answered meanwhile is right, or a 503 that says when to try again; what was acknowledged stays.
"""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pyotp
import pytest

from tests.support.receiver import receiving
from tests.support.servers import ClusterServers, SentinelServers, started
from tests.support.stack import Api, running, wait_until

CALLERS = 6


@pytest.fixture(scope="module", params=[ClusterServers, SentinelServers], ids=["cluster", "sentinel"])
def servers(request):
    with started(request.param) as found:
        yield found


@pytest.fixture(scope="module")
def stack(servers):
    options = {"OTP_DELIVERY_DEADLINE": "2", "OTP_CHANGE_NOTICES": "false"}
    with running(worker_process=True, REDIS_URL=servers.url, **options) as found:
        yield found


@pytest.fixture
def api(stack):
    stack.sandbox.reset()
    return stack.api


def test_everything_works_there(api, stack):
    """Keys of every kind, on whatever server they are: the same as with one."""
    app, codes = api.enroll("ada")
    phone, email = "+14155550001", "ada@example.com"
    api("PUT", "/v1/users/ada/contacts", {"phone": phone, "email": email})
    challenge = api.start("ada")
    assert api.verify(challenge["id"], stack.sandbox.code(phone)).json()["valid"]
    assert api.verify(api.start("ada")["id"], app.now()).json()["valid"]
    last = api.start("ada")
    assert api.verify(last["id"], codes[0]).json()["valid"]
    assert not api.verify(api.start("ada")["id"], codes[0]).json()["valid"]
    # The worker switches it, and who waits for that is woken wherever they listen.
    stack.sandbox.fail("not_delivered")
    waiting = api.start("bob", phone="+14155550002", email="bob@example.com")
    moved = api("GET", f"/v1/challenges/{waiting['id']}?wait=15").json()
    assert moved["switches"][0]["reason"] == "not_delivered"
    assert api("PUT", "/v1/ops/mode", {"mode": "fallback", "country": "+49", "reason": "x"}).ok
    assert api.start("eve", phone="+4915112345678", email="eve@example.com")["channel"] == "email"
    for path in ("health", "incidents", "audit", "drills", "readiness", "readiness/stuck"):
        assert api("GET", f"/v1/ops/{path}").ok, path
    assert wait_until(lambda: api("GET", "/v1/ops/health").json()["deciding"])
    assert wait_until(lambda: api("GET", "/v1/ops/health").json()["routes"])
    assert api("GET", "/v1/ops/readiness").json()["users"] == 1
    assert api("GET", "/status").ok


def test_webhooks_are_told_there(api, stack):
    with receiving() as receiver:
        hook = api("POST", "/v1/ops/webhooks", {"url": receiver.url, "events": ["challenge.*"]}).json()
        users = [api.start(f"fay-{n}", phone=f"+1415555300{n}", email="fay@example.com") for n in range(8)]
        for challenge in users:  # in several partitions, so of several servers
            assert api("POST", f"/v1/challenges/{challenge['id']}/cancel").ok

        def told(challenge):
            return [p.json["type"] for p in receiver.posts if p.json["data"]["id"] == challenge["id"]]

        for challenge in users:
            wait_until(lambda challenge=challenge: "challenge.canceled" in told(challenge))
            assert told(challenge) == ["challenge.created", "challenge.sent", "challenge.canceled"]
        assert all(posted.verified(hook["secret"]) for posted in receiver.posts)
        assert api("DELETE", f"/v1/ops/webhooks/{hook['id']}").status_code == 204


class Caller:
    """Somebody whose logins go on through it all, and who remembers what was acknowledged."""

    def __init__(self, url, number):
        self.api, self.number, self.right, self.unavailable, self.wrong = Api(url), number, 0, 0, []
        self.apps, self.used = {}, []

    def work(self, until):
        turn = 0
        while time.monotonic() < until():
            turn += 1
            user = f"caller-{self.number}-{turn}"
            try:
                self.once(user)
            except Exception as error:  # noqa: BLE001 - told at the end
                self.wrong.append(f"{user}: {error!r}")

    def call(self, method, path, body=None):
        """An answer, or `None`: it could not be served, and was told so in the right way."""
        answer = self.api(method, path, body)
        if answer.status_code == 503:
            assert int(answer.headers["Retry-After"]) >= 1
            assert answer.json()["code"] == "store_unavailable"
            self.unavailable += 1
            time.sleep(0.05)
            return None
        assert answer.status_code in (200, 201), f"{path}: {answer.status_code} {answer.text}"
        self.right += 1
        return answer.json()

    def once(self, user):
        begun = self.call("POST", "/v1/enrollments", {"user_id": user})
        if begun is None:
            return
        app = pyotp.TOTP(begun["secret"])
        code = app.now()
        confirmed = self.call("POST", f"/v1/enrollments/{begun['id']}/confirm", {"code": code})
        if confirmed is None:
            return  # it may have been done or not; nobody was told that it was
        self.apps[user] = (confirmed["factor"]["id"], confirmed["backup_codes"])
        challenge = self.call("POST", "/v1/challenges", {"user_id": user})
        if challenge is None:
            return
        wrong = self.call("POST", f"/v1/challenges/{challenge['id']}/verify", {"code": "AAAA-AAAA-AAAA"})
        assert wrong is None or wrong["valid"] is False
        backup = random.choice(confirmed["backup_codes"])
        answer = self.call("POST", f"/v1/challenges/{challenge['id']}/verify", {"code": backup})
        if answer is not None:
            assert answer["valid"] is True
            self.used.append((user, backup))


def test_a_primary_steps_down(api, stack, servers):
    """A planned failover: the old primary lives on as a replica, and says so."""
    app, codes = api.enroll("carl")
    assert api.verify(api.start("carl")["id"], codes[0]).json()["valid"]
    if isinstance(servers, ClusterServers):
        old = servers.primary_of("otp:{00}:modes")
        new = servers.replicas[servers.primaries.index(old)]
        servers.client(new).execute_command("CLUSTER", "FAILOVER")
    else:
        old = servers.present()
        servers.client(servers.sentinels[0]).execute_command("SENTINEL", "FAILOVER", servers.NAME)
    wait_until(lambda: servers.client(old).info("replication")["role"] == "slave", 30)
    # Durable writes there go on by themselves.
    wait_until(lambda: api("PUT", "/v1/ops/mode", {"mode": "auto", "reason": "x"}).ok, 30)
    for number in range(20):
        wait_until(
            lambda n=number: api("PUT", f"/v1/users/carl-{n}/contacts", {"email": "c@example.com"}).ok, 30
        )
    assert api.verify(wait_until(lambda: api.start("carl"))["id"], codes[0]).json()["valid"] is False
    assert api.verify(api.start("carl")["id"], app.now()).json()["valid"]
    wait_until(lambda: api("GET", "/v1/ops/health").json()["deciding"], 30)


def test_a_primary_dies_under_load(api, stack, servers):
    if isinstance(servers, ClusterServers):
        victim = servers.primary_of("otp:{00}:modes")
    else:
        victim = servers.present()
    # Only a primary with a replica that keeps up can promise what outlives it.
    wait_until(
        lambda: servers.client(victim).info("replication").get("slave0", {}).get("state") == "online", 60
    )
    # Nor would a worker that is still starting be started again here.
    wait_until(lambda: api("GET", "/v1/ops/health").json()["deciding"], 30)
    ended = threading.Event()
    callers = [Caller(stack.url, number) for number in range(CALLERS)]

    def until():
        return float("-inf") if ended.is_set() else float("inf")

    with ThreadPoolExecutor(CALLERS) as pool:
        futures = [pool.submit(caller.work, until) for caller in callers]
        wait_until(lambda: sum(caller.right for caller in callers) > 50, 30)
        servers.kill(victim)
        killed = time.monotonic()
        wait_until(lambda: any(caller.unavailable for caller in callers), 20)
        # It serves everything again, without a restart of anything.
        wait_until(
            lambda: (
                api("GET", "/readyz").ok and api("PUT", "/v1/ops/mode", {"mode": "auto", "reason": "x"}).ok
            ),
            60,
        )
        recovered = time.monotonic() - killed
        before = sum(caller.right for caller in callers)
        wait_until(lambda: sum(caller.right for caller in callers) > before + 100, 60)
        ended.set()
        for future in futures:
            future.result(60)
    assert [line for caller in callers for line in caller.wrong] == []
    assert recovered < 45
    # Nothing that was acknowledged is lost: every app is there, no used code is usable again.
    for caller in callers:
        for user, (factor, _) in caller.apps.items():
            kept = api("GET", f"/v1/users/{user}/factors").json()["factors"]
            assert [one["id"] for one in kept] == [factor], user
        for user, backup in caller.used:
            again = api.start(user)
            assert api.verify(again["id"], backup).json()["valid"] is False, user
    assert wait_until(lambda: api("GET", "/v1/ops/health").json()["deciding"], 30)
    # The old primary comes back as a replica, and disturbs nobody.
    servers.again(victim)
    wait_until(lambda: servers.client(victim).info("replication")["role"] == "slave", 60)
    assert api.verify(api.start("after", email="after@example.com")["id"], "000000").json()["valid"] is False
