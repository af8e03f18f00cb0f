"""`doctor` on real Valkey servers, well and unwell."""

import pytest
import redis

from service.core import clock
from service.runtime.doctor.examination import examine
from service.runtime.doctor.site import Site
from service.settings import Settings
from tests.support.stack import wait_until


@pytest.mark.parametrize(
    ("options", "check", "level", "said"),
    [
        ([], "redis.persistence", "ok", "everysec"),
        (["--appendfsync", "always"], "redis.persistence", "ok", "always"),
        (["--appendfsync", "no"], "redis.persistence", "fail", "never says that a write is on disk"),
        (["--appendonly", "no"], "redis.persistence", "fail", "nothing on disk"),
        (["--appendonly", "no", "--save", "3600 1"], "redis.persistence", "warn", "no append-only file"),
        ([], "redis.memory", "ok", "no limit"),
        (["--maxmemory", "100mb"], "redis.memory", "ok", "of 100 MiB"),
        (["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"], "redis.memory", "fail", "allkeys-lru"),
        ([], "redis.role", "ok", "no replicas"),
        (["--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "yes"], "redis.role", "fail", "replica"),
        ([], "redis.server", "ok", "Valkey "),
        ([], "redis.latency", "ok", " ms"),
        ([], "clock.redis", "ok", "agree"),
        ([], "api_keys", "warn", "no API key"),
        ([], "worker", "fail", "no worker decides"),
        ([], "keyring", "skip", "first start"),
    ],
)  # fmt: skip
def test_a_server(valkey, doctor, options, check, level, said):
    found = doctor(valkey(*options))
    assert (found[check].level, said in found[check].found) == (level, True), found[check]
    assert found.code == 1  # no worker decides


@pytest.mark.parametrize(("share", "level"), [(0.5, "ok"), (0.88, "warn"), (0.99, "fail")])
def test_memory_that_runs_out(valkey, doctor, share, level):
    env = valkey("--appendonly", "no")
    client = redis.Redis.from_url(env["REDIS_URL"])
    for number in range(100):
        client.set(f"much:{number}", b"x" * 1_000_000)
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] / share))
    assert doctor(env)["redis.memory"].level == level


def test_what_relaxed_means(valkey, doctor):
    found = doctor({**valkey(), "OTP_DURABILITY": "relaxed"})["redis.persistence"]
    assert (found.level, "OTP_DURABILITY is relaxed" in found.found) == ("ok", True)


def test_relaxed_does_not_wait_for_the_disk(valkey, doctor):
    found = doctor({**valkey("--appendfsync", "no"), "OTP_DURABILITY": "relaxed"})["redis.persistence"]
    assert (found.level, "refused" in found.found) == ("warn", False)


def test_a_wrong_password_is_told_and_not_shown(valkey, doctor):
    found = doctor(valkey("--requirepass", "right", user=":hunter2@"))
    assert (found["redis"].level, found.code) == ("fail", 1)
    assert "refuses the login" in found["redis"].found
    assert found["redis.memory"].level == found["worker"].level == found["keyring"].level == "skip"
    assert "hunter2" not in found.text


def test_no_server(doctor, valkey, tmp_path):
    env = {**valkey(), "REDIS_URL": f"unix://{tmp_path}/nothing"}
    found = doctor(env)
    assert (found["redis"].level, found.code, found.ok) == ("fail", 1, False)
    assert found["outbox"].level == "skip"
    assert "Traceback" not in found.text


def test_no_embedded_server(doctor, valkey):
    found = doctor({**valkey(), "REDIS_URL": ""})
    assert "does not run" in found["redis"].found
    assert "otp-fallback serve" in found["redis"].mend


def test_a_user_without_info(valkey, doctor):
    env = valkey()
    client = redis.Redis.from_url(env["REDIS_URL"])
    client.execute_command("ACL", "SETUSER", "shop", "on", ">p", "~*", "&*", "+@all", "-info")
    found = doctor({**env, "REDIS_URL": env["REDIS_URL"].replace("unix://", "unix://shop:p@")})
    assert (found["redis"].level, found["redis.server"].level) == ("ok", "warn")
    assert found["redis.memory"].level == found["redis.persistence"].level == "skip"
    assert found["redis.latency"].level == "ok"


def test_a_user_without_config_is_not_troubled(valkey, doctor):
    env = valkey()
    client = redis.Redis.from_url(env["REDIS_URL"])
    client.execute_command("ACL", "SETUSER", "shop", "on", ">p", "~*", "&*", "+@all", "-config")
    found = doctor({**env, "REDIS_URL": env["REDIS_URL"].replace("unix://", "unix://shop:p@")})
    assert found["redis.persistence"].level == "ok"


@pytest.mark.parametrize(
    ("seconds", "level"), [(0, "ok"), (5, "warn"), (-5, "warn"), (3600, "fail"), (-3600, "fail")]
)
def test_a_clock_that_is_wrong(valkey, monkeypatch, seconds, level):
    for name, value in valkey().items():
        monkeypatch.setenv(name, value)
    found = examine(Site(Settings.load(), clock=lambda: clock() + seconds * 1000))
    assert found["clock.redis"].level == level


@pytest.fixture(scope="module")
def options():
    return {"worker_process": True}


def test_a_running_service_is_well(stack, doctor, api, person):
    api.start(person.id, email=person.email)
    wait_until(lambda: doctor(stack.env)["worker"].level == "ok")
    found = doctor(stack.env, "--strict")
    assert found.levels("fail") == set(), found.text
    assert found.levels("warn") <= {"open_files"}  # the machine's own
    assert {"redis.persistence", "keyring", "api_keys", "worker", "outbox", "twilio", "smtp"} <= found.levels(
        "ok"
    )
    assert found.ok is (found.code == 0) is (found.levels("warn") == set())


def test_another_master_key(stack, doctor):
    other = "k9:" + "A" * 43 + "="
    found = doctor({**stack.env, "OTP_MASTER_KEYS": other})
    assert (found["keyring"].level, "'k1'" in found["keyring"].found) == ("fail", True)
    assert "OTP_MASTER_KEYS" in found["keyring"].mend


def test_nothing_is_written_by_looking(valkey, doctor):
    env = valkey()
    doctor(env)
    assert redis.Redis.from_url(env["REDIS_URL"]).dbsize() == 0


def test_a_worker_that_is_gone(stack, doctor, api, person, monkeypatch):
    stack.worker.kill()
    try:
        wait_until(lambda: doctor(stack.env)["worker"].level == "fail")
        api.start(person.id, email=person.email)
        for name, value in stack.env.items():
            monkeypatch.setenv(name, value)
        for seconds, level in ((0, "ok"), (20, "warn"), (200, "fail")):
            later = Site(Settings.load(), clock=lambda seconds=seconds: clock() + seconds * 1000)
            assert examine(later)["outbox"].level == level
    finally:
        stack.worker.start()
