"""That a moved clock is moved where time is asked for, and nowhere else."""

import json
import os
import subprocess
import sys
import time

import pytest
import redis as redis_client

from tests.chaos.clock import Clock, NoCompiler, build
from tests.support.stack import Stack, wait_until

ASK = """
import json, sys, time
for line in sys.stdin:
    time.sleep(0.01)
    print(json.dumps([time.time(), time.time_ns() / 1e9, time.gmtime().tm_year, time.monotonic()]), flush=True)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    try:
        return build(tmp_path_factory.mktemp("clock"))
    except NoCompiler as why:
        if "OTP_REQUIRE_TOOLS" in os.environ:
            raise
        pytest.skip(str(why))


def test_a_process_sees_it_at_once_and_its_monotonic_clock_goes_on(library, tmp_path):
    clock = Clock(library, tmp_path / "clock")
    process = subprocess.Popen(
        [sys.executable, "-c", ASK], env=os.environ | clock.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def ask():
        process.stdin.write(b"\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    for moved in (0, 3600, -3600, 400 * 86400, 0):
        clock.move(moved)
        now, also, year, monotonic = ask()
        assert now == pytest.approx(time.time() + moved, abs=2)
        assert also == pytest.approx(now, abs=2)
        assert year == time.gmtime(time.time() + moved).tm_year
        assert monotonic == pytest.approx(time.monotonic(), abs=2)
    process.communicate()


def test_valkey_sees_it(library, tmp_path):
    clock = Clock(library, tmp_path / "clock")
    stack = Stack()
    stack.valkey.env = stack.env | clock.env
    try:
        stack.start_valkey()
        client: redis_client.Redis = stack.redis()
        client.set("key", 1, ex=60)
        assert client.time()[0] == pytest.approx(time.time(), abs=2)
        clock.move(3600)
        wait_until(lambda: client.get("key") is None)
        assert client.time()[0] == pytest.approx(time.time() + 3600, abs=2)
    finally:
        stack.stop()
