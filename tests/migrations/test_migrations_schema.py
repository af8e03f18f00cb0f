"""The schema of a state: stamped, brought up once by one of many, whatever dies meanwhile, and refused when newer."""

import base64
import json
import secrets
import subprocess
import sys
import threading

import pytest

from service.core import build_core
from service.domain.contacts import Email, Phone
from service.domain.errors import SchemaUnknown
from service.domain.user import User
from service.settings import Settings
from service.store import keys, schema
from service.store.keyring import load_keyring, open_keyring
from service.store.migrations import CURRENT, Migration
from service.store.migrations.progress import Progress
from service.store.readiness import ReadinessStore
from service.store.redis import connect
from service.store.schema import Schema
from service.store.sealing import Sealer
from service.store.users import UserStore
from tests.migrations.first import EXPECTED, FACTS
from tests.support.commands import otp_fallback
from tests.support.servers import ClusterServers, started
from tests.support.stack import ROOT, Stack, wait_until

MASTER = b"m" * 32
NAMES = b"n" * 32
MANY = 3000


def users_of(store):
    return UserStore(store, Sealer({"k1": MASTER}), NAMES)


def counts(store):
    return {
        (application, letters): count
        for (application, letters), count in ReadinessStore(store).counts().items()
    }


@pytest.fixture
def old(server):
    """A store with a keyring, and many users as 0.1.0 wrote them: without what counts them."""
    server.redis().flushall()
    store = connect(server.redis_url)
    users, records = users_of(store), {}
    for number in range(MANY):
        user_id = f"user-{number}"
        user = User(
            users.key("default", user_id),
            "default",
            user_id,
            phone=Phone(f"+1415555{number:04d}", "+1") if number % 2 else None,
            email=Email(f"u{number}@example.com") if number % 3 == 0 else None,
        )
        record = json.loads(users._encode(user))
        for name in ("s", "h"):
            record.pop(name, None)
        records[keys.user(user.key)] = json.dumps({**record, "v": 1})
    store.client.mset(records)
    load_keyring(store, Sealer({"k1": MASTER}), secrets.token_bytes)
    return store


def _of_many():
    """What `old` holds, by class."""
    expected = {("default", "p"): 0, ("default", "e"): 0, ("default", "pe"): 0}
    for number in range(MANY):
        letters = "p" * (number % 2) + "e" * (number % 3 == 0)
        if letters:
            expected["default", letters] += 1
    assert sum(expected.values()) < MANY
    return expected


OF_MANY = _of_many()


def bring_up(store, **kwargs):
    return list(Schema(store, **kwargs).bring_up(Sealer({"k1": MASTER})))


def test_an_empty_redis_is_stamped_without_work(server, monkeypatch):
    server.redis().flushall()
    monkeypatch.setenv("REDIS_URL", server.redis_url)
    monkeypatch.setenv("OTP_MASTER_KEYS", "k1:" + base64.b64encode(MASTER).decode())
    seen = []
    build_core(Settings.load(), upgrade=seen.extend)
    assert seen == []
    names = {name.decode() for name in server.redis().scan_iter("*")}
    assert names == {keys.SCHEMA, keys.KEYRING}
    assert Schema(connect(server.redis_url)).read() == CURRENT


def test_old_users_are_counted_once(old):
    assert Schema(old).read() == 0
    steps = bring_up(old)
    assert steps[-1] == Progress(MANY, MANY)
    assert counts(old) == OF_MANY
    assert Schema(old).read() == CURRENT
    assert bring_up(old) == []
    assert counts(old) == OF_MANY


def test_numbers_lead_to_users_from_before(old):
    bring_up(old)
    sealer = Sealer({"k1": MASTER})
    users = UserStore(old, sealer, open_keyring(old, sealer).names)
    found = users.owner("default", Phone("+14155550001", "+1"))
    assert found.user_id == "user-1"
    assert users.owner("default", Email("U3@example.com")).user_id == "user-3"
    assert users.owner("default", Phone("+14155550002", "+1")) is None  # has none
    assert users.owner("other", Phone("+14155550001", "+1")) is None


def test_abandoned_anywhere_it_goes_on(old, monkeypatch):
    monkeypatch.setattr(schema, "LEASE", 1)  # the next one need not wait for it
    for parts in (0, 1, 2, 4):
        steps = Schema(old).bring_up(Sealer({"k1": MASTER}))
        for _ in range(parts):
            next(steps)
        steps.close()
    assert Schema(old).read() == 0
    bring_up(old)
    assert counts(old) == OF_MANY


DRIVER = """
import sys
from service.store.redis import connect
from service.store.schema import Schema
from service.store.sealing import Sealer

for step in Schema(connect(sys.argv[1])).bring_up(Sealer({"k1": b"m" * 32})):
    print(step.done, flush=True)
    if not sys.stdin.readline():
        break
"""


def driver(url):
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_killed_in_the_middle(old, server, monkeypatch):
    monkeypatch.setattr(schema, "PAUSE", 0.01)
    process = driver(server.redis_url)
    assert 0 < int(process.stdout.readline()) < MANY
    process.stdin.write("\n")
    process.stdin.flush()
    assert 0 < int(process.stdout.readline()) < MANY
    process.kill()  # SIGKILL, while it holds the lease and knows what it has done
    process.wait()
    assert 0 < sum(counts(old).values()) < sum(OF_MANY.values())
    assert Schema(old).read() == 0
    server.redis().pexpire(keys.SCHEMA_LEASE, 1)  # as ten seconds would do
    assert bring_up(old)[-1].done == MANY
    assert counts(old) == OF_MANY


def test_two_at_once_though_one_holds_the_lease(old, monkeypatch):
    """One slept for longer than its lease: then both are at it, and it comes out right all the same."""
    monkeypatch.setattr(schema, "LEASE", 1)
    one = Schema(old).bring_up(Sealer({"k1": MASTER}))
    next(one)
    bring_up(old)
    assert counts(old) == OF_MANY
    list(one)
    assert counts(old) == OF_MANY


def test_many_processes_start_at_once(old, server):
    processes = [driver(server.redis_url) for _ in range(4)]
    for process in processes:
        process.stdin.write("\n" * 1000)
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0].split() for process in processes]
    assert all(process.returncode == 0 for process in processes)
    assert len([lines for lines in told if lines]) == 1  # the others waited
    assert counts(old) == OF_MANY


def test_users_who_change_meanwhile_are_counted_once(old):
    """By processes of this version, which serve while it is brought up."""
    users, ended = users_of(old), threading.Event()
    changed = []

    def change():
        for number in range(0, MANY, 7):
            while True:
                user = users.get("default", f"user-{number}")
                fields = {name: getattr(user, name) for name in ("key", "application", "user_id", "version")}
                changed_to = User(**fields, phone=Phone("+14155550000", "+1"), email=Email("x@example.com"))
                if users.save(changed_to, (), before=user):
                    break
            changed.append(number)
            if ended.is_set():
                return

    thread = threading.Thread(target=change)
    thread.start()
    bring_up(old)
    ended.set()
    thread.join()
    expected = dict(OF_MANY)
    for number in changed:
        letters = "p" * (number % 2) + "e" * (number % 3 == 0)
        if letters:
            expected["default", letters] -= 1
        expected["default", "pe"] += 1
    assert len(changed) > 3
    assert counts(old) == expected


def test_a_record_that_does_not_open_stops_nobody(old, server):
    key = users_of(old).key("default", "user-1")
    sealed_elsewhere = Sealer({"k9": b"9" * 32}).seal(b"{}", keys.user(key))
    server.redis().set(keys.user(key), json.dumps({"k": key, "a": "default", "z": sealed_elsewhere, "v": 1}))
    server.redis().set("otp:{00}:u:00nonsense", b"\xff")
    bring_up(old)
    assert counts(old) == {**OF_MANY, ("default", "p"): OF_MANY["default", "p"] - 1}


def test_of_several_steps_those_that_are_lacking_run(old, server):
    ran = []

    def step(number):
        def run(_store, _sealer):
            ran.append(number)
            yield Progress(1, 1)

        return Migration(number, run)

    steps = [step(1), step(2), step(3)]
    server.redis().set(keys.SCHEMA, 1)
    bring_up(old, migrations=steps)
    assert ran == [2, 3]
    assert server.redis().get(keys.SCHEMA) == b"3"


@pytest.mark.parametrize("stamp", [str(CURRENT + 1), "99", "later", ""])
def test_a_newer_state_is_refused_and_left_alone(old, server, stamp):
    server.redis().set(keys.SCHEMA, stamp)
    before = server.redis().dbsize()
    for act in (Schema(old).read, Schema(old).begin, lambda: bring_up(old)):
        with pytest.raises(SchemaUnknown, match="run the version that wrote it, or a newer one"):
            act()
    assert (server.redis().get(keys.SCHEMA), server.redis().dbsize()) == (stamp.encode(), before)


def command(env, *words):
    return subprocess.run(
        [sys.executable, "-m", *words],
        env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.fixture
def stack():
    found = Stack()
    found.start_valkey()
    yield found
    found.stop()


def test_every_process_refuses_a_newer_state(stack):
    stack.redis().set(keys.SCHEMA, CURRENT + 1)
    said = f"The state is of schema {CURRENT + 1}, and this version of otp-fallback knows {CURRENT} at most"
    for words in (["keys", "list"], ["migrate"], ["rotate-keys"], ["serve"]):
        done = otp_fallback(stack.env, *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr, words
        assert len(done.stderr.splitlines()) == 1
    for words in (["service.worker"], ["service.runtime.bootstrap"], ["service.cli", "worker"]):
        done = command(stack.env, *words)
        assert done.returncode in (1, 3)
        assert said in done.stderr, words
        assert "Traceback" not in done.stderr
    stack.web.start()
    wait_until(lambda: stack.web.popen.poll() is not None, 30)
    assert said in stack.web.text()
    assert stack.redis().dbsize() == 1
    found = json.loads(otp_fallback(stack.env, "doctor", "--json").stdout)["checks"]
    assert next((c["level"], said in c["found"]) for c in found if c["name"] == "schema") == ("fail", True)


def test_the_command_and_what_doctor_says(stack, restored):
    restored(stack.redis_url, alive=False)

    def doctor():
        found = json.loads(otp_fallback(stack.env, "doctor", "--json").stdout)["checks"]
        return next(c for c in found if c["name"] == "schema")

    assert doctor()["level"] == "warn"
    assert "otp-fallback migrate" in doctor()["mend"]
    done = otp_fallback(stack.env, "migrate", "--json")
    assert json.loads(done.stdout) == {"from": 0, "schema": CURRENT, "users": 6}
    assert json.loads(otp_fallback(stack.env, "migrate", "--json").stdout)["from"] == CURRENT
    assert doctor()["level"] == "ok"


def test_serve_brings_a_state_up_before_it_serves(stack, restored, tmp_path):
    restored(stack.redis_url, alive=False)
    env = {**stack.env, "OTP_PORT": "0", "OTP_WORKERS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--json"],
        env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        ready = json.loads(process.stdout.readline())
        assert stack.redis().get(keys.SCHEMA) == b"%d" % CURRENT
        assert ready["url"]
    finally:
        process.terminate()
        _, errors = process.communicate(timeout=30)
    assert '"event": "upgrading_state"' in errors


def test_a_backup_of_an_older_schema_and_of_a_newer_one(stack, restored, tmp_path):
    restored(stack.redis_url, alive=False)
    old_file = tmp_path / "old"
    _export(stack.redis_url, old_file, 0)
    stack.redis().flushall()
    done = otp_fallback(stack.env, "import", str(old_file), "--json")
    assert done.returncode == 0, done.stderr
    store = connect(stack.redis_url)
    assert Schema(store).read() == CURRENT
    assert sum(counts(store).values()) == sum(sum(of.values()) for of in EXPECTED.values())
    # What this version writes says its schema, and brings it along.
    new_file = tmp_path / "new"
    assert otp_fallback(stack.env, "export", str(new_file)).returncode == 0
    assert json.loads(new_file.read_bytes().partition(b"\n")[0])["schema"] == CURRENT
    stack.redis().flushall()
    assert otp_fallback(stack.env, "import", str(new_file)).returncode == 0
    assert stack.redis().get(keys.SCHEMA) == b"%d" % CURRENT
    _export(stack.redis_url, tmp_path / "newer", CURRENT + 1)
    done = otp_fallback(stack.env, "import", str(tmp_path / "newer"), "--replace")
    assert done.returncode == 1
    assert "run the version that wrote it" in done.stderr
    assert stack.redis().get(keys.SCHEMA) == b"%d" % CURRENT  # nothing was removed


def _export(url, file, number):
    from service.core import clock
    from service.domain.master_keys import parse_master_keys
    from service.store import backup
    from service.store.snapshot import Snapshot

    values = Snapshot(connect(url), clock=clock).read()
    sealer = Sealer(parse_master_keys(FACTS["master_keys"]))
    with pytest.MonkeyPatch.context() as patch, file.open("wb") as target:
        patch.setattr(backup, "CURRENT", number)
        list(backup.write(target, values, sealer, now=1, random_bytes=lambda n: b"r" * n))


def test_on_a_cluster(restored):
    with started(ClusterServers) as servers:
        restored(servers.url, alive=False)
        store = connect(servers.url)
        assert Schema(store).read() == 0
        bring_up(store)
        assert Schema(store).read() == CURRENT
        assert sum(counts(store).values()) == 6
        assert len(ReadinessStore(store).stuck("", 10)) == 1
        env = {**Stack().env, "REDIS_URL": servers.url, "OTP_PORT": "0", "OTP_WORKERS": "1"}
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve", "--json"],
            env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.communicate(timeout=30)
