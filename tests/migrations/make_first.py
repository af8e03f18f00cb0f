"""Makes `first.json`: what version 0.1.0 leaves in Redis, with the facts that must hold after an upgrade.

    git worktree add /tmp/first a0ca2c3
    python -m tests.migrations.make_first /tmp/first > tests/migrations/first.json

The code of that checkout serves, on a Valkey server of its own; people use it through its API. What is stored then
is read with `service.store.snapshot`, so the file holds plain values and no `DUMP` of a certain server.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

from service.core import clock
from service.store.redis import connect
from service.store.snapshot import Snapshot
from tests.support import stack as parts
from tests.support.stack import Api, Stack


def main(checkout: Path) -> None:
    parts.ROOT = checkout  # where its processes are started, so that they run its code
    stack = Stack(workers=1, OTP_CHALLENGE_TTL="600")
    try:
        stack.start()
        facts = _use(stack)
        facts["made_at"] = clock()
        state = [
            [one.key, one.kind, _text(one.value), one.until]
            for one in Snapshot(connect(stack.redis_url), clock=clock).read()
        ]
    finally:
        stack.stop()
    facts["master_keys"] = stack.env["OTP_MASTER_KEYS"]
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in sorted(state))
    print(f'{{"facts": {json.dumps(facts, indent=1)},\n"state": [\n{lines}\n]}}')


def _use(stack: Stack) -> dict:
    api, sandbox = stack.api, stack.sandbox
    shop_key = _key(stack, "shop", "challenges", "enrollments")
    gone_key = _key(stack, "default", "challenges", revoke=True)
    shop = Api(stack.url, shop_key)

    people: dict = {}
    for name, caller in (("ada", api), ("dan", api), ("gus", api), ("fay", shop)):
        app, codes = caller.enroll(name)
        people[name] = {"secret": app.secret, "unused": codes, "used": []}
    contacts = {
        "ada": (api, {"phone": "+14155550101", "email": "ada@example.com"}),
        "bob": (api, {"phone": "+4915112345678"}),
        "cyd": (api, {"email": "cyd@example.com"}),
        "eve": (api, {"phone": "+14155550105"}),
        "fay": (shop, {"phone": "+14155550106"}),
    }
    for name, (caller, fields) in contacts.items():
        assert caller("PUT", f"/v1/users/{name}/contacts", fields).ok
    assert api("DELETE", "/v1/users/eve").ok
    for name, caller, count in (("ada", api, 3), ("dan", api, 10), ("fay", shop, 1)):
        for _ in range(count):
            code = people[name]["unused"].pop(0)
            assert caller.verify(caller.start(name, channels=["totp", "backup_code"])["id"], code).json()[
                "valid"
            ]
            people[name]["used"].append(code)
    # A second app for one, by which the code of a step is used up.
    second, none = api.enroll("gus")
    assert none == []
    people["gus"]["second"] = second.secret
    now = time.time()
    assert api.verify(api.start("gus")["id"], second.at(now)).json()["valid"]
    people["gus"]["second_step"] = int(now) // 30

    mode = {"mode": "fallback", "country": "+91", "reason": "Twilio incident"}
    assert api("PUT", "/v1/ops/mode", mode).ok
    lapsed = {"mode": "primary_only", "country": "+44", "reason": "for a moment", "expires_in": 1}
    assert api("PUT", "/v1/ops/mode", lapsed).ok

    locked = api.start("ada", channels=["totp", "backup_code"])
    for _ in range(5):
        api.verify(locked["id"], "000000")
    begun = api("POST", "/v1/enrollments", {"user_id": "hal"}).json()
    pending = api.start("ada", channels=["email", "totp", "backup_code"])
    return {
        "people": people,
        "keys": {"default": parts.API_KEY, "shop": shop_key, "revoked": gone_key},
        "pending": {"id": pending["id"], "code": sandbox.code("ada@example.com", "email")},
        "locked": locked["id"],
        "enrollment": {"id": begun["id"], "secret": begun["secret"]},
    }


def _key(stack: Stack, application: str, *scopes: str, revoke: bool = False) -> str:
    """Make an API key; that checkout's commands lack a part, so by the code beneath them."""
    done = subprocess.run(
        [sys.executable, "-c", _MAKE_KEY, application, *scopes, *(["--revoke"] if revoke else [])],
        env=stack.env, cwd=parts.ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


_MAKE_KEY = """
import secrets, sys
from service.core import build_core
from service.domain.api_keys import Scope
from service.settings import Settings

core, (application, *scopes) = build_core(Settings.load()), sys.argv[1:]
made, key = core.api_keys.create(
    name="made", application=application, scopes=frozenset(map(Scope, set(scopes) - {"--revoke"})),
    now=core.clock(), random_bytes=secrets.token_bytes,
)
if "--revoke" in scopes:
    assert core.api_keys.revoke(made.id)
print(key)
"""


def _text(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode()
    return [_text(one) for one in value] if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
