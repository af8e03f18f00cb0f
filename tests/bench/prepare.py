"""Users and challenges in bulk, by the product's own store and domain, straight into its Valkey.

What a user has is derived from a number, so that whoever knows the number knows the codes.
"""

import hashlib
import json
import multiprocessing
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any, cast

import pyotp

from service.channels.backup_code import hash_backup_code
from service.channels.email.code import CODE_FAMILY
from service.core import Core, build_core
from service.domain.challenge import Challenge, Subject
from service.domain.channels import TRAITS, Channel
from service.domain.codes import derive_code, new_backup_codes
from service.domain.contacts import Email, Phone
from service.domain.events import challenge_event
from service.domain.limits import network_of
from service.domain.mode import Mode
from service.domain.plan import build_plan, presentable
from service.domain.totp import new_secret
from service.domain.user import TotpFactor, User
from service.runtime.resolve import resolve
from service.settings import Settings
from service.store import keys
from service.store.challenges import ChallengeStore
from service.store.redis import Store

APPLICATION = "default"
LOCAL = (Channel.TOTP, Channel.BACKUP_CODE)
AT_ONCE = 250  # records to a round trip
_codes_used: Counter[int] = Counter()


def open_core(env: dict[str, str]) -> Core:
    """The product's parts, on what `serve` runs with these settings."""
    os.environ.update(env)
    return build_core(resolve(Settings.load()))


def user_id(number: int) -> str:
    """What a caller calls a user."""
    return f"user{number:07d}@customers.example"


def secret_of(number: int) -> str:
    """The secret in a user's app."""
    return new_secret(_bytes_of("secret", number))


def backup_codes_of(number: int) -> tuple[str, ...]:
    """A user's ten backup codes."""
    return new_backup_codes(_bytes_of("backup", number))


def phone(number: int) -> Phone:
    """A user's number; those of neighbours are far apart, as nobody is to be taken for a fraudster's block."""
    return Phone(f"+1415{2_000_000 + number * 7919 % 8_000_000}", "+1")


def client_ip(number: int) -> str:
    """A user's address."""
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def user(core: Core, number: int) -> User:
    """A user with everything: phone, e-mail, an app with the names it gets, ten backup codes."""
    name = user_id(number)
    key = core.users.key(APPLICATION, name)
    hashes = (hash_backup_code(core.keyring.codes, APPLICATION, code) for code in backup_codes_of(number))
    app = TotpFactor(
        id=keys.new_id("fa", key, _bytes_of("factor", number)(16)),
        secret=secret_of(number),
        created_at=core.clock(),
        label=name,
        device_name="Pixel 9",
    )
    return User(
        key=key,
        application=APPLICATION,
        user_id=name,
        phone=phone(number),
        email=Email(f"box{number:07d}@mail.example"),
        totp=(app,),
        backup_codes=tuple(filter(None, hashes)),
        backup_codes_at=core.clock(),
    )


def load_users(env: dict[str, str], first: int, last: int, done: Callable[[int], None]) -> None:
    """Enrol users `first` to `last` (excluded), on all cores. `done` is told how many there are."""
    size = AT_ONCE * 20
    jobs = [(env, start, min(start + size, last)) for start in range(first, last, size)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(os.cpu_count()) as pool:
        loaded = 0
        for count in pool.imap_unordered(_load, jobs):
            loaded += count
            done(loaded)


def _load(job: tuple[dict[str, str], int, int]) -> int:
    env, first, last = job
    core = _core_of_process(env)
    for start in range(first, last, AT_ONCE):
        some = [user(core, number) for number in range(start, min(start + AT_ONCE, last))]
        stored = core.users.save_many([(one, ()) for one in some], durable=False)
        assert all(stored), "a user was there already"
        core.users.note_owners([one.key for one in some])
    return last - first


_core: list[Core] = []


def _core_of_process(env: dict[str, str]) -> Core:
    if not _core:
        _core.append(open_core(env))
    return _core[0]


class Challenges:
    """Makes challenges as a start does, without one's round trips."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._collected = _Collecting()
        failures = core.settings.limits.failures
        self._challenges = ChallengeStore(cast("Store", self._collected), core.sealer, core.users, failures)

    def store(self, numbers: Sequence[int], channels: Sequence[Channel]) -> list[str]:
        """One of each user; returns their ids."""
        ids = [self._make(number, channels) for number in numbers]
        commands = iter(self._collected.commands)
        while some := list(islice(commands, AT_ONCE)):
            assert all(reply[0] for reply in self._core.store.batch(some))
        self._collected.commands.clear()
        return ids

    def _make(self, number: int, channels: Sequence[Channel]) -> str:
        core, owner, now = self._core, user(self._core, number), self._core.clock()
        made = keys.new_challenge_id(owner.key, secrets.token_bytes(16))
        address = client_ip(number)
        subject = Subject(owner.user_id, owner.phone, owner.email, "login", address)
        entries = build_plan(
            owner, requested=channels, configured=frozenset(Channel), min_assurance="aal1",
            mode=Mode.AUTO, gates={}, refused={},
        )  # fmt: skip
        challenge = Challenge(
            id=made,
            application=APPLICATION,
            user=owner.key,
            sealed=self._challenges.seal(made, subject),
            country="+1",
            status="pending",
            entries=presentable(entries, requested=True),
            created_at=now,
            expires_at=now + core.settings.challenge_ttl * 1000,
            max_attempts=core.settings.max_attempts,
            origin=core.users.origin_key(network_of(address)),
        )
        first = channels[0]
        if TRAITS[first].delivered:
            challenge = challenge.sending(first, None, now, core.settings.limits.cool_down)
            challenge = challenge.sent(first, now, ref=None, own_code=True)
        else:
            challenge = challenge.prompting(first, None, now)
        created = challenge_event("created", challenge, now, took=1)
        assert self._challenges.save(challenge, [created], now=now, due_at=None)
        return made


class _Collecting:
    """In place of the store: keeps commands, to be sent many at a time."""

    def __init__(self) -> None:
        self.commands: list[Any] = []

    def batch(self, commands: Sequence[Any]) -> list[list[int]]:
        """Say that all is well; whoever sends them looks."""
        self.commands += commands
        return [[1]] * len(commands)


def email_codes(core: Core, numbers: Sequence[int]) -> Iterator[str]:
    """Requests that answer a challenge with the right code from an e-mail."""
    for id_ in Challenges(core).store(numbers, [Channel.EMAIL]):
        yield verify(id_, derive_code(core.keyring.codes, id_, CODE_FAMILY))


def backup_codes(core: Core, numbers: Sequence[int]) -> Iterator[str]:
    """Requests with a backup code of each user, none twice."""
    ids = Challenges(core).store(numbers, LOCAL)
    for id_, number in zip(ids, numbers, strict=True):
        yield verify(id_, backup_codes_of(number)[_codes_used[number]])
        _codes_used[number] += 1


def totp_codes(core: Core, numbers: Sequence[int]) -> Iterator[str]:
    """Requests with what the users' apps show now."""
    ids = Challenges(core).store(numbers, LOCAL)
    now = time.time()
    for id_, number in zip(ids, numbers, strict=True):
        yield verify(id_, pyotp.TOTP(secret_of(number)).at(now))


def starts(numbers: Sequence[int], channels: Sequence[Channel] | None) -> Iterator[str]:
    """Requests that start a challenge of each user."""
    for number in numbers:
        asked = {"user_id": user_id(number), "client_ip": client_ip(number), "action": "login"}
        yield "/v1/challenges " + json.dumps({**asked, "channels": channels} if channels else asked)


def verify(challenge_id: str, code: str) -> str:
    """A request that answers a challenge."""
    return f"/v1/challenges/{challenge_id}/verify " + json.dumps({"code": code})


def _bytes_of(what: str, number: int) -> Callable[[int], bytes]:
    """Bytes that look random, the same ones every time."""
    stream = hashlib.shake_128(f"{what}/{number}".encode()).digest(256)
    position = iter(range(0, 256, 16))

    def take(count: int) -> bytes:
        at = next(position)
        return (stream[at:] + stream)[:count]

    return take
