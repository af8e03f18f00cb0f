"""Challenges in Redis: load, save, verify, settle. Each call is one round trip."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from service.domain.challenge import Challenge, Subject
from service.domain.channels import Channel
from service.domain.contacts import Email, Phone
from service.domain.errors import KeyUnusable
from service.domain.events import Event
from service.domain.limits import Failures
from service.domain.user import User
from service.store import keys
from service.store.records import save_command
from service.store.redis import SCRIPTS, Store, call
from service.store.sealing import Sealer
from service.store.users import UserStore

GRACE = 300_000  # ms that an ended challenge stays, to be told how it ended
RESERVATION = 15_000  # ms: longer than any check; an attempt unsettled by then was abandoned

_decode = msgspec.json.Decoder(Challenge).decode
_encode = msgspec.json.Encoder().encode


class Reply(NamedTuple):
    """What a script said: an outcome, the challenge as it is now and, where asked for, its user.

    `wait`: when it is `held`, seconds until the user may try again, `None` for good.
    """

    outcome: str
    challenge: Challenge | None
    user: User | None = None
    wait: int | None = None


class ChallengeStore:
    """The challenges of all applications."""

    def __init__(self, store: Store, sealer: Sealer, users: UserStore, failures: Failures) -> None:
        self._store = store
        self._sealer = sealer
        self._users = users
        self._failures = _as_arguments(failures)

    def seal(self, challenge_id: str, subject: Subject) -> str:
        """A subject, sealed for its challenge."""
        given = {
            "u": subject.user_id,
            "p": subject.phone and (subject.phone.e164, subject.phone.calling_code),
            "e": subject.email and subject.email.address,
            "a": subject.action,
            "i": subject.client_ip,
            "m": subject.metadata,
            "t": subject.to,
        }
        plaintext = msgspec.json.encode({name: value for name, value in given.items() if value})
        return self._sealer.seal(plaintext, keys.challenge(challenge_id))

    def open(self, challenge: Challenge) -> Subject:
        """Whom a challenge is about.

        Raises:
            KeyUnusable: it is sealed under a key that is not configured.

        """
        opened: dict[str, Any] = msgspec.json.decode(
            self._sealer.open(challenge.sealed, keys.challenge(challenge.id))
        )
        phone, email = opened.get("p"), opened.get("e")
        return Subject(
            user_id=opened["u"],
            phone=Phone(*phone) if phone else None,
            email=Email(email) if email else None,
            action=opened.get("a"),
            client_ip=opened.get("i"),
            metadata=opened.get("m"),
            to=opened.get("t"),
        )

    def get(self, challenge_id: str, application: str | None) -> Challenge | None:
        """A challenge of an application (`None`: of any), or `None`."""
        if not keys.is_id(challenge_id, "ch"):
            return None
        (raw,) = self._store.batch([("GET", keys.challenge(challenge_id))])
        challenge = _read(challenge_id, raw) if raw else None
        if challenge is None or application not in (None, challenge.application):
            return None
        return challenge

    def recent(self, user_key: str, limit: int) -> list[Challenge]:
        """A user's latest challenges that are still kept, newest first: those that the outbox tells of."""
        (entries,) = self._store.batch([("XREVRANGE", keys.outbox(user_key[:2]), "+", "-")])
        ids: list[str] = []
        for _, fields in entries:
            if fields[b"type"] == b"challenge.created" and user_key.encode() in fields[b"data"]:
                ids.append(msgspec.json.decode(fields[b"data"])["id"])
                if len(ids) == limit:
                    break
        raws = self._store.batch([("GET", keys.challenge(id_)) for id_ in ids]) if ids else []
        return [_read(id_, raw) for id_, raw in zip(ids, raws, strict=True) if raw]

    def save(self, challenge: Challenge, events: Sequence[Event], *, now: int, due_at: int | None) -> bool:
        """Store a transition with its events, unless another one came first.

        Args:
            challenge: its new state, still under the version that it was loaded with (0: new).
            events: what happened.
            now: ms.
            due_at: when the worker must look at it next.

        Returns:
            Whether it was stored.

        """
        stored = challenge.next_version()
        command = save_command(
            keys.challenge(challenge.id),
            challenge.id[3:5],
            expected=challenge.version,
            record=_encode(stored),
            events=events,
            ttl_ms=stored.expires_at - now + GRACE if challenge.version == 0 else 0,
            schedule=(challenge.id, due_at),
            wake=challenge.id if challenge.version else "",
        )
        (reply,) = self._store.batch([command])
        return bool(reply[0])

    def verify(
        self,
        challenge_id: str,
        application: str,
        now: int,
        *,
        named: Channel | None,
        candidates: Mapping[str, object],
        durable: bool,
    ) -> Reply:
        """Count an attempt; approve by what can be compared in the script, else reserve it (`verify.lua`)."""
        return self._run(
            "verify",
            challenge_id,
            application,
            now,
            {"named": named, "reservation": RESERVATION, **candidates},
            durable=durable,
        )

    def settle(self, challenge_id: str, application: str, now: int, outcome: str, **details: object) -> Reply:
        """End a reserved attempt (`settle.lua`)."""
        told = {"outcome": outcome, **details}
        return self._run("settle", challenge_id, application, now, told, durable=False)

    def claim_due(self, now: int, *, lease: int, limit: int) -> list[str]:
        """Ids of challenges that the worker must look at, taken for `lease` ms."""
        commands = [
            call(SCRIPTS["claim_due"], [keys.due(partition)], [now, lease, limit])
            for partition in keys.partitions()
        ]
        return [raw.decode() for ids in self._store.batch(commands) for raw in ids]

    def note_for_vendor(self, ids: Sequence[str], now: int) -> None:
        """These ended; the provider is to be told."""
        self._store.batch([("ZADD", keys.VENDOR_DUE, "NX", now, id_) for id_ in ids])

    def claim_for_vendor(self, now: int, *, lease: int, limit: int) -> list[str]:
        """Ids of ended challenges that the provider was not told of, taken for `lease` ms."""
        ids = self._store.run(SCRIPTS["claim_due"], [keys.VENDOR_DUE], [now, lease, limit])
        return [raw.decode() for raw in ids]

    def vendor_told(self, challenge_id: str) -> None:
        """The provider was told, or need not be."""
        self._store.batch([("ZREM", keys.VENDOR_DUE, challenge_id)])

    def forget_due(self, challenge_id: str) -> None:
        """Take a challenge that is gone off the schedule."""
        self._store.batch([("ZREM", keys.due(challenge_id[3:5]), challenge_id)])

    def _run(
        self,
        script: str,
        challenge_id: str,
        application: str,
        now: int,
        details: Mapping[str, object],
        *,
        durable: bool,
    ) -> Reply:
        if not keys.is_id(challenge_id, "ch"):
            return Reply("missing", None)
        partition = challenge_id[3:5]
        argument = msgspec.json.encode(
            {
                "id": challenge_id,
                "application": application,
                "now": now,
                "user_prefix": keys.user_prefix(partition),
                "failures": self._failures,
                **{name: value for name, value in details.items() if value is not None},
            }
        )
        key_names = [keys.challenge(challenge_id), keys.outbox(partition), keys.due(partition)]
        (reply,) = self._store.batch([call(SCRIPTS[script], key_names, [argument])], durable=durable)
        outcome, raw, raw_user = (*reply, None, None)[:3]
        challenge = _read(challenge_id, raw) if raw else None
        if outcome == b"held":
            return Reply("held", challenge, wait=-(-int(raw_user) // 1000) if raw_user else None)
        user = self._users.decode(challenge.user, raw_user) if challenge and raw_user else None
        return Reply(outcome.decode(), challenge, user)


def _read(challenge_id: str, raw: bytes) -> Challenge:
    challenge = _decode(raw)
    if challenge.id != challenge_id:  # whoever moved it here meant to have it opened
        raise KeyUnusable("A challenge's record is that of another one.")
    return challenge


def _as_arguments(failures: Failures) -> Mapping[str, int]:
    """How many wrong codes are borne, as `count_failure` in `lib.lua` reads it; times in ms."""
    return {
        "user": failures.user,
        "address": failures.address,
        "lock": failures.lock,
        "first": failures.first_wait * 1000,
        "longest": failures.longest_wait * 1000,
    }
