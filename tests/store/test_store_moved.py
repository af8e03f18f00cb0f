"""Who writes to Redis can't move what is sealed: in another place it does not open, by the API neither."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import pyotp
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from service.domain.audit import Who
from service.domain.errors import KeyUnusable
from service.domain.links import LinkKind
from service.http.application import create_app
from service.store import keys
from service.store.keyring import open_keyring
from service.store.links import LinkStore

OPERATOR = Who("key_test")
PEOPLE = ("ada", "bob")
MAILS = {name: f"{name}@secret.example" for name in PEOPLE}
PHONES = {"ada": "+14155550111", "bob": "+14155550122"}


@dataclass
class Place:
    """Where one sealed text stands: read and written in Redis, opened by the code that uses it."""

    kind: str
    owner: str
    read: Callable[[], str]
    write: Callable[[str], object]
    open: Callable[[], object]

    def __repr__(self) -> str:
        return f"{self.kind} of {self.owner}"


class World:
    """Two users of an application who have one of everything, and one who looks for it."""

    def __init__(self, services, redis, clock) -> None:
        self.services, self.redis, self.clock = services, redis, clock
        self.client = create_app(services).test_client()
        _, self.key = services.api_keys.create(
            name="x", application="default", scopes=frozenset(["challenges", "enrollments", "ops"]),
            now=clock(), random_bytes=services.core.random_bytes,
        )  # fmt: skip
        self.secrets: dict[str, set[str]] = {}
        self.apps: dict[str, pyotp.TOTP] = {}
        self.challenges: dict[str, str] = {}
        self.enrollments: dict[str, str] = {}
        self.user_keys: dict[str, str] = {}
        self.places: list[Place] = []
        for name in PEOPLE:
            self._live(name)
        self.places.append(
            self._whole("keyring", "all", keys.KEYRING, lambda: open_keyring(self.store, self.sealer))
        )

    @property
    def store(self):
        return self.services.core.store

    @property
    def sealer(self):
        return self.services.core.sealer

    def call(self, method, path, body=None):
        return self.client.open(
            path, method=method, json=body, headers={"Authorization": f"Bearer {self.key}"}
        )

    def _live(self, name):
        services, users = self.services, self.services.core.users
        begun = services.enroll.begin("default", name, label=f"label-of-{name}")
        app = self.apps[name] = pyotp.TOTP(begun.secret)
        _, codes = services.enroll.confirm("default", begun.id, app.at(self.clock() // 1000 - 30))
        assert (
            self.call(
                "PUT", f"/v1/users/{name}/contacts", {"phone": PHONES[name], "email": MAILS[name]}
            ).status_code
            == 200
        )
        pending = services.enroll.begin("default", name)
        started = self.call("POST", "/v1/challenges", {"user_id": name, "action": f"action-of-{name}"})
        assert started.status_code == 201, started.text
        hook, hook_secret = services.webhooks.create(f"http://127.0.0.1/{name}", OPERATOR)
        services.webhooks.rotate_secret(hook.id, OPERATOR)
        _, link = services.links.issue(LinkKind.ACCOUNT, "default", name)
        answer = services.idempotency.hash("default", name)
        services.idempotency.claim(answer, "print")
        services.idempotency.finish(answer, "print", f"answer-to-{name}".encode())
        key = self.user_keys[name] = users.key("default", name)
        self.challenges[name], self.enrollments[name] = started.json["id"], pending.id
        self.secrets[name] = {
            app.secret, pending.secret, MAILS[name], PHONES[name], f"label-of-{name}", f"action-of-{name}",
            f"answer-to-{name}", hook_secret, *codes,
        }  # fmt: skip
        user, address = keys.user(key), [users.seal_address(users.by_key(key))]
        challenge_name = keys.challenge(self.challenges[name])
        hooks = services.core.webhook_store
        self.places += [
            self._part("profile", name, user, lambda r: r, "z", lambda: users.by_key(key)),
            self._part("factor", name, user, lambda r: r["f"][0], "z", lambda: users.by_key(key)),
            self._part("subject", name, challenge_name, lambda r: r, "z", lambda: self._subject(name)),
            self._whole("enrolment", name, keys.enrollment(pending.id), lambda: services.enroll.pending("default", pending.id)),
            self._field("webhook", name, hook.id, "secret", lambda: hooks.open(hook.id, hooks.get(hook.id).secret)),
            self._whole("link", name, keys.link(link.id), lambda: LinkStore(self.store, self.sealer).get(link.id)),
            self._answer(name, answer),
            Place("address", name, lambda: address[0], lambda text: address.__setitem__(0, text), lambda: users.open_address(key, address[0])),
        ]  # fmt: skip

    def _subject(self, name):
        found = self.services.challenges.get(self.challenges[name], None)
        return self.services.challenges.open(found)

    def _part(self, kind, owner, name, where, field, opener):
        def write(text):
            record = json.loads(self.redis.get(name))
            where(record)[field] = text
            self.redis.set(name, json.dumps(record), keepttl=True)

        return Place(kind, owner, lambda: where(json.loads(self.redis.get(name)))[field], write, opener)

    def _field(self, kind, owner, member, field, opener):
        def write(text):
            record = {**json.loads(self.redis.hget(keys.WEBHOOKS, member)), field: text}
            self.redis.hset(keys.WEBHOOKS, member, json.dumps(record))

        return Place(
            kind, owner, lambda: json.loads(self.redis.hget(keys.WEBHOOKS, member))[field], write, opener
        )

    def _whole(self, kind, owner, name, opener):
        return Place(
            kind,
            owner,
            lambda: self.redis.get(name).decode(),
            lambda text: self.redis.set(name, text, keepttl=True),
            opener,
        )

    def _answer(self, owner, hashed):
        name = keys.idempotency(hashed)
        return Place(
            "answer", owner,
            lambda: self.redis.get(name).decode().partition("\n")[2],
            lambda text: self.redis.set(name, f"print\n{text}", keepttl=True),
            lambda: self.services.idempotency.claim(hashed, "print"),
        )  # fmt: skip


@pytest.fixture
def world(services, redis, clock):
    return World(services, redis, clock)


def test_nothing_sealed_opens_in_another_place(world):
    kinds = {place.kind for place in world.places}
    assert kinds == {
        "profile",
        "factor",
        "subject",
        "enrolment",
        "webhook",
        "link",
        "answer",
        "address",
        "keyring",
    }
    for place in world.places:
        assert place.open(), place  # where it belongs, it does
    tried = 0
    for source, target in product(world.places, repeat=2):
        if source is target:
            continue
        own = target.read()
        target.write(source.read())
        with pytest.raises(KeyUnusable):
            print(source, target, target.open())
        target.write(own)
        tried += 1
    assert tried == 17 * 16
    for place in world.places:
        assert place.open(), place


def test_whole_records_do_not_open_under_another_name(world, redis):
    users = world.services.core.users
    ada, bob = (world.user_keys[name] for name in PEOPLE)
    raw = redis.get(keys.user(ada))
    redis.set(keys.user(bob), raw)
    with pytest.raises(KeyUnusable):
        users.by_key(bob)
    # Neither when what is not sealed in it says that it is the other's.
    redis.set(keys.user(bob), json.dumps({**json.loads(raw), "k": bob}))
    with pytest.raises(KeyUnusable):
        users.by_key(bob)


def test_two_apps_of_one_user_are_not_exchanged(world, redis, clock):
    enroll = world.services.enroll
    second = enroll.begin("default", "ada")
    enroll.confirm("default", second.id, pyotp.TOTP(second.secret).at(clock() // 1000 - 30))
    name = keys.user(world.user_keys["ada"])
    record = json.loads(redis.get(name))
    one, two = record["f"]
    one["z"], two["z"] = two["z"], one["z"]
    redis.set(name, json.dumps(record))
    with pytest.raises(KeyUnusable):
        world.services.core.users.by_key(world.user_keys["ada"])


def asked(world, name="bob"):
    """What the API answers about somebody, whatever is stored."""
    challenge = f"/v1/challenges/{world.challenges[name]}"
    return {
        "factors": world.call("GET", f"/v1/users/{name}/factors"),
        "start": world.call("POST", "/v1/challenges", {"user_id": name}),
        "read": world.call("GET", challenge),
        "wrong": world.call("POST", f"{challenge}/verify", {"code": "000000"}),
        "wrong_backup": world.call("POST", f"{challenge}/verify", {"code": "0000-0000-0000-0000"}),
        "switch": world.call("POST", f"{challenge}/switch", {"channel": "totp"}),
        "resend": world.call("POST", f"{challenge}/resend", {}),
        "confirm": world.call(
            "POST", f"/v1/enrollments/{world.enrollments[name]}/confirm", {"code": "000000"}
        ),
    }


@pytest.mark.parametrize(
    ("kind", "calls"),
    [
        ("profile", ["factors", "start"]),
        ("factor", ["factors", "start"]),
        ("subject", ["read"]),
        ("enrolment", ["confirm"]),
    ],
)
def test_by_the_api_it_is_a_clean_error(world, kind, calls):
    source, target = (next(p for p in world.places if (p.kind, p.owner) == (kind, name)) for name in PEOPLE)
    target.write(source.read())
    answers = asked(world)
    for name in calls:
        assert (answers[name].status_code, answers[name].json["code"]) == (500, "key_unusable"), name
    for answer in answers.values():
        assert not any(secret in answer.text for secret in world.secrets["ada"])
    # A right code of the one whose it was is none for the other.
    code = world.apps["ada"].at(world.clock() // 1000)
    tried = world.call("POST", f"/v1/challenges/{world.challenges['bob']}/verify", {"code": code})
    assert not (tried.json or {}).get("valid")


def test_a_whole_challenge_that_is_anothers(world):
    """It opens under its own id, which it brings along."""
    ada, bob = (keys.challenge(world.challenges[name]) for name in PEOPLE)
    world.redis.copy(ada, bob, replace=True)
    answers = asked(world)
    assert (answers["read"].status_code, answers["read"].json["code"]) == (500, "key_unusable")
    for answer in answers.values():
        assert not any(secret in answer.text for secret in world.secrets["ada"])


JSON_VALUES = st.sampled_from(
    [None, 0, -1, 1, 10**18, 1.5, "", "x", "ada", [], {}, True, ["x"], [[]], {"z": 1}]
)


@st.composite
def mutations(draw):
    """What is done to a record: bytes of it changed, or a value of it replaced, removed or taken from another."""
    kind = draw(st.sampled_from(["flip", "cut", "insert", "splice", "value", "remove", "other"]))
    return kind, draw(st.integers(0, 10_000)), draw(st.integers(0, 10_000)), draw(JSON_VALUES)


def mutated(raw, other, mutation):
    kind, place, size, value = mutation
    at = place % len(raw)
    if kind == "flip":
        return raw[:at] + bytes([raw[at] ^ (1 + size % 255)]) + raw[at + 1 :]
    if kind == "cut":
        return raw[:at] + raw[at + 1 + size % 40 :]
    if kind == "insert":
        return raw[:at] + raw[size % len(raw) :][: 1 + size % 40] + raw[at:]
    if kind == "splice":
        return raw[:at] + other[at : at + 1 + size % 60] + raw[at + 1 + size % 60 :]
    record, others = json.loads(raw), json.loads(other)
    names = [
        name for name in sorted({*record, *others}) if name != "st"
    ]  # which says outright that it is approved
    name = names[place % len(names)]
    if kind == "value":
        record[name] = value
    elif kind == "remove":
        record.pop(name, None)
    elif name in others:
        record[name] = others[name]
    return json.dumps(record).encode()


@pytest.fixture(scope="module")
def fuzzed(server):
    """One world for all examples; each puts back what it changed."""
    import base64
    import secrets

    from conftest import Clock

    from service.app import build
    from service.core import build_core
    from service.settings import Settings

    # An example that fails is told with its trace, and rendering those would take most of the time.
    with pytest.MonkeyPatch.context() as patch, capture_logs():
        server.redis().flushall()
        patch.setenv("REDIS_URL", server.redis_url)
        patch.setenv("OTP_MASTER_KEYS", "k1:" + base64.b64encode(b"m" * 32).decode())
        clock = Clock()
        services = build(build_core(Settings.load(), clock=clock, random_bytes=secrets.token_bytes))
        world = World(services, server.redis(), clock)
        world.kept = {name: server.redis().dump(name) for name in server.redis().scan_iter("*")}
        yield world


def put_back(world):
    pipeline = world.redis.pipeline()
    pipeline.flushall()
    for name, raw in world.kept.items():
        pipeline.restore(name, 0, raw)
    pipeline.execute()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["user", "challenge"]), st.lists(mutations(), min_size=1, max_size=3))
@example("challenge", [("value", 0, 0, "")])
@example("user", [("other", 2, 0, None)])
def test_whatever_is_stored_nobody_gets_in_and_nothing_leaks(fuzzed, what, changes):
    world = fuzzed
    put_back(world)
    names = {
        "user": [keys.user(world.user_keys[name]) for name in reversed(PEOPLE)],
        "challenge": [keys.challenge(world.challenges[name]) for name in reversed(PEOPLE)],
    }[what]
    raw, other = (world.redis.get(name) for name in names)
    for change in changes:
        try:
            raw = mutated(raw, other, change) or b"x"
        except ValueError:  # no JSON any more: its bytes can be changed further, its values not
            continue
    world.redis.set(names[0], raw)
    for name, answer in asked(world).items():
        told = answer.json or {}
        if answer.status_code >= 500:
            assert told["code"] in ("key_unusable", "internal_error", "check_unavailable"), (name, told)
            assert set(told) <= {"type", "title", "status", "detail", "code", "request_id"}
        assert not told.get("valid"), (name, told)
        assert told.get("status") != "approved", (name, told)
        assert "proof" not in told or told["proof"] is None, (name, told)
        shown = {PHONES["bob"], MAILS["bob"], "label-of-bob", "action-of-bob"}  # to his own application
        for secret in (world.secrets["ada"] | world.secrets["bob"]) - shown:
            assert secret not in answer.text, (name, secret)
    # What the others have is as before.
    assert world.call("GET", "/v1/users/ada/factors").status_code == 200
