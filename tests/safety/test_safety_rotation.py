"""A new master key, while people log in."""

import base64
import threading
import time

import pytest

from tests.support.stack import running

OLD = "k1:" + base64.b64encode(b"m" * 32).decode()
NEW = "k2:" + base64.b64encode(b"n" * 32).decode()


@pytest.fixture(scope="module")
def stack():
    with running(OTP_MASTER_KEYS=f"{OLD}") as found:
        yield found


def restarted(stack, master_keys):
    stack.web.kill()
    stack.env["OTP_MASTER_KEYS"] = master_keys
    stack.start_web()


def test_everything_is_under_the_new_key(stack, cli):
    people = {f"user-{number}": stack.api.enroll(f"user-{number}") for number in range(40)}
    stack.api("PUT", "/v1/users/user-1/contacts", {"email": "one@example.com"})
    restarted(stack, f"{NEW},{OLD}")
    # While it runs, users change: their codes are used, and used codes stay used.
    ended, wrong = threading.Event(), []

    def use_codes():
        for user, (_, codes) in people.items():
            challenge = stack.api.start(user)
            if not stack.api.verify(challenge["id"], codes[0]).json()["valid"]:
                wrong.append(user)
            if ended.is_set():
                return

    thread = threading.Thread(target=use_codes)
    thread.start()
    done = cli(stack.env, "rotate-keys", "--json")
    ended.set()
    thread.join(60)
    assert (done["key"], done["users"]) == ("k2", 40)
    assert done["resealed"] == 40
    assert wrong == []
    # Once more: there is nothing left to do.
    assert cli(stack.env, "rotate-keys", "--json")["resealed"] == 0
    # Without the old key, everything that lasts opens.
    for name in stack.redis().scan_iter("otp:*:c:*"):
        stack.redis().delete(name)
    restarted(stack, NEW)
    for user, (_app, codes) in people.items():
        assert len(stack.api("GET", f"/v1/users/{user}/factors").json()["factors"]) == 1
        challenge = stack.api.start(user)
        assert stack.api.verify(challenge["id"], codes[1]).json()["valid"]
    assert stack.api("GET", "/v1/users/user-1/factors").json()["contacts"]["email"] == "o***@example.com"
    assert stack.api.verify(stack.api.start("user-2")["id"], people["user-2"][0].at(time.time())).json()[
        "valid"
    ]
    everything = stack.everything_stored()
    assert '"z":"k1.' not in everything


def test_a_key_that_is_gone_too_soon_is_told(stack, cli):
    third = "k3:" + base64.b64encode(b"o" * 32).decode()
    env = {**stack.env, "OTP_MASTER_KEYS": third}
    assert "k2" in cli(env, "rotate-keys", code=1)
