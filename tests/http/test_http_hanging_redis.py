"""Redis that takes connections and answers nothing: everybody is told so in time, and nothing is approved."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

import requests

from service.store.connections import COMMAND_TIMEOUT
from tests.support.stack import API_KEY, running, wait_until

HEADERS = {"Authorization": f"Bearer {API_KEY}"}
# A call may need Redis several times; the first that has no answer ends it.
WITHIN = COMMAND_TIMEOUT + 4.0


def test_a_redis_that_hangs_holds_nobody():
    with running(workers=1) as stack:
        app, _ = stack.api.enroll("h")
        challenge = stack.api.start("h", channels=["totp"])
        calls = [
            ("POST", "/v1/challenges", {"user_id": "h", "email": "h@mail.example"}),
            ("POST", f"/v1/challenges/{challenge['id']}/verify", {"code": app.now()}),
            ("GET", f"/v1/challenges/{challenge['id']}?wait=20", None),
            ("GET", "/v1/users/h/factors", None),
            ("POST", "/v1/enrollments", {"user_id": "h"}),
            ("GET", "/v1/ops/mode", None),
            ("GET", "/status", None),
            ("GET", "/readyz", None),
        ]

        def call(each):
            method, path, body = each
            began = time.monotonic()
            answer = requests.request(method, stack.url + path, json=body, headers=HEADERS, timeout=60)
            return path, answer.status_code, answer.headers.get("Retry-After"), time.monotonic() - began

        stack.valkey.popen.send_signal(signal.SIGSTOP)
        try:
            with ThreadPoolExecutor(40) as pool:
                told = list(pool.map(call, calls * 5))
            assert requests.get(f"{stack.url}/healthz", timeout=2).ok  # the process itself is well
        finally:
            stack.valkey.popen.send_signal(signal.SIGCONT)
        assert {status for _, status, _, _ in told} == {503}, told
        assert all(retry is not None for _, _, retry, _ in told)
        assert max(seconds for _, _, _, seconds in told) < WITHIN, told
        wait_until(lambda: requests.get(f"{stack.url}/readyz", timeout=5).ok)
        # What reached Redis before it hung may have been done since; nobody was told that a code was right.
        assert stack.api.start("h", channels=["totp"])["status"] == "pending"
