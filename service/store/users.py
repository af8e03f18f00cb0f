"""Users in Redis: contacts and factors sealed, backup codes as keyed hashes."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from service.domain.contacts import Email, Phone
from service.domain.errors import KeyUnusable
from service.domain.events import Event
from service.domain.toll_fraud import PLANS, kind_of
from service.domain.totp import Algorithm
from service.domain.user import TotpFactor, User
from service.store import keys
from service.store.connections import Command
from service.store.owners import MOST, Owners
from service.store.redis import SCRIPTS, Store, call
from service.store.sealing import Sealer


class _Factor(Struct, frozen=True, omit_defaults=True):
    """A TOTP factor as stored; `use_totp_step` in `lib.lua` writes `ls` and `lu`."""

    id: str = field(name="i")
    sealed: str = field(name="z")  # secret, label, device name
    created_at: int = field(name="at")
    algorithm: Algorithm = field(name="g", default="SHA1")
    digits: int = field(name="d", default=6)
    period: int = field(name="p", default=30)
    last_step: int = field(name="ls", default=0)
    last_used_at: int = field(name="lu", default=0)


class _Record(Struct, frozen=True, omit_defaults=True):
    """A user as stored; `use_backup_code` in `lib.lua` writes `bc`."""

    key: str = field(name="k")
    application: str = field(name="a")
    sealed: str = field(name="z")  # user id and contacts
    version: int = field(name="v")
    schema: int = field(name="s", default=0)  # in which it was written; counted for readiness since 1
    has: str = field(name="h", default="")  # p: a phone, e: an e-mail address; for readiness
    factors: tuple[_Factor, ...] = field(name="f", default=())
    backup_codes: tuple[str, ...] = field(name="bc", default=())
    backup_codes_at: int = field(name="ba", default=0)


_NOBODY = "00nobody"  # no keyed hash is as short
SCHEMA = 1  # of the record
_decode = msgspec.json.Decoder(_Record).decode
_encode = msgspec.json.Encoder().encode


class UserStore:
    """The users of all applications."""

    def __init__(self, store: Store, sealer: Sealer, name_key: bytes) -> None:
        self._store = store
        self._sealer = sealer
        self._name_key = name_key
        self._owners = Owners(store, name_key)
        self._application_keys: dict[str, str] = {}  # there are few, and each start asks for one
        self._decoy = self._encode(User(_NOBODY, "-", "nobody"))

    def key(self, application: str, user_id: str) -> str:
        """The keyed hash that stands for a user."""
        return keys.keyed_hash(self._name_key, "user", application, user_id)

    def number_key(self, e164: str) -> str:
        """The keyed hash that stands for a phone number."""
        return keys.keyed_hash(self._name_key, "number", e164)

    def block_key(self, block: str) -> str:
        """The keyed hash that stands for a block of phone numbers."""
        return keys.keyed_hash(self._name_key, "block", block)

    def address_key(self, address: str) -> str:
        """The keyed hash that stands for an e-mail address."""
        return keys.keyed_hash(self._name_key, "mail", address.lower())

    def origin_key(self, network: str) -> str:
        """The keyed hash that stands for a network address."""
        return keys.keyed_hash(self._name_key, "origin", network)

    def application_key(self, application: str) -> str:
        """The keyed hash that stands for an application."""
        if application not in self._application_keys:
            self._application_keys[application] = keys.keyed_hash(self._name_key, "application", application)
        return self._application_keys[application]

    def load_command(self, user_key: str) -> Command:
        """The command whose answer `decode` reads."""
        return ("GET", keys.user(user_key))

    def get(self, application: str, user_id: str) -> User:
        """A user; one nobody has seen yet has version 0 and nothing enrolled."""
        key = self.key(application, user_id)
        (raw,) = self._store.batch([self.load_command(key)])
        return self.decode(key, raw) if raw else self.absent(key, application, user_id)

    def absent(self, user_key: str, application: str, user_id: str) -> User:
        """A user nobody has seen yet: version 0, nothing enrolled.

        A record is opened all the same, so that an answer about somebody unknown takes as long as one about
        somebody who has nothing.
        """
        self.decode(_NOBODY, self._decoy)
        return User(user_key, application, user_id)

    def contact_key(self, application: str, contact: Phone | Email) -> str:
        """The keyed hash that stands for a number or address in an application."""
        return self._owners.hashed(application, contact)

    def owner(self, application: str, contact: Phone | Email) -> User | None:
        """The one user of an application who has a number or address; `None` for none, or several."""
        found = self._owners.find(application, contact)
        if not found or len(found) > MOST:
            return None
        have = [
            user for user in self.by_keys(found) if user.application == application and _has(user, contact)
        ]
        return have[0] if len(have) == 1 else None

    def note_owners(self, user_keys: Sequence[str]) -> None:
        """Let the contacts of users lead to them; a record that does not open stays as it is."""
        raws = self._store.batch([self.load_command(key) for key in user_keys]) if user_keys else []
        users: list[User] = []
        for key, raw in zip(user_keys, raws, strict=True):
            with suppress(KeyUnusable, msgspec.MsgspecError):
                if raw:
                    users.append(self.decode(key, raw))
        self._owners.note(users)

    def get_many(self, application: str, user_ids: Sequence[str]) -> list[User]:
        """Several users, in one round trip."""
        keyed = [(self.key(application, user_id), user_id) for user_id in user_ids]
        raws = self._store.batch([self.load_command(key) for key, _ in keyed]) if keyed else []
        return [
            self.decode(key, raw) if raw else User(key, application, user_id)
            for (key, user_id), raw in zip(keyed, raws, strict=True)
        ]

    def by_key(self, user_key: str) -> User | None:
        """The user that a keyed hash stands for, if there is one."""
        return next(iter(self.by_keys([user_key])), None)

    def by_keys(self, user_keys: Sequence[str]) -> list[User]:
        """Those of several that there are, in one round trip."""
        raws = self._store.batch([self.load_command(key) for key in user_keys]) if user_keys else []
        return [self.decode(key, raw) for key, raw in zip(user_keys, raws, strict=True) if raw]

    def seal_address(self, user: User) -> str | None:
        """A user's address for an event that outlives it, sealed."""
        if user.email is None:
            return None
        return self._sealer.seal(user.email.address.encode(), _address_of(user.key))

    def open_address(self, user_key: str, sealed: str) -> Email:
        """What `seal_address` made. Raises `KeyUnusable`."""
        return Email(self._sealer.open(sealed, _address_of(user_key)).decode())

    def decode(self, user_key: str, raw: bytes) -> User:
        """Open a stored user.

        Raises:
            KeyUnusable: it is sealed under a key that is not configured, or belongs to another user.

        """
        record = _decode(raw)
        name = keys.user(user_key)
        opened = msgspec.json.decode(self._sealer.open(record.sealed, name))
        phone, email = opened.get("p"), opened.get("e")
        kind, plans = opened.get("k") or (None, None)
        return User(
            key=user_key,
            application=record.application,
            user_id=opened["u"],
            phone=Phone(phone[0], phone[1], kind if plans == PLANS else None) if phone else None,
            email=Email(email) if email else None,
            locale=opened.get("l"),
            totp=tuple(self._open_factor(name, factor) for factor in record.factors),
            backup_codes=record.backup_codes,
            backup_codes_at=record.backup_codes_at,
            version=record.version,
        )

    def all_keys(self) -> Iterator[list[str]]:
        """The keyed hashes of all users, some at a time; one may come twice."""
        for names in self._store.scan(keys.ALL_USERS):
            yield [name.rpartition(":")[2] for name in names]

    def reseal(self, user_keys: Sequence[str]) -> tuple[int, list[str]]:
        """Seal users under the present master key.

        Returns:
            How many were under another one, and those that changed meanwhile: they are to be tried again.
        """
        raws = self._store.batch([self.load_command(key) for key in user_keys]) if user_keys else []
        return self._save_again(
            [
                self.decode(key, raw)
                for key, raw in zip(user_keys, raws, strict=True)
                if raw and not self._is_current(_decode(raw))
            ]
        )

    def bring_up(self, user_keys: Sequence[str]) -> list[str]:
        """Write users of an older schema in the present one; a record that does not open stays as it is.

        Returns:
            Those that changed meanwhile: they are to be tried again.
        """
        raws = self._store.batch([self.load_command(key) for key in user_keys]) if user_keys else []
        old: list[User] = []
        for key, raw in zip(user_keys, raws, strict=True):
            with suppress(KeyUnusable, msgspec.MsgspecError):  # nobody can log in by it; others go on
                if raw and _decode(raw).schema < SCHEMA:
                    old.append(self.decode(key, raw))
        return self._save_again(old, durable=False)[1]

    def _save_again(self, users: Sequence[User], *, durable: bool = True) -> tuple[int, list[str]]:
        """How many were stored, and those that changed meanwhile."""
        saved = self.save_many([(user, ()) for user in users], durable=durable)
        return sum(saved), [user.key for user, kept in zip(users, saved, strict=True) if not kept]

    def _is_current(self, record: _Record) -> bool:
        texts = (record.sealed, *(factor.sealed for factor in record.factors))
        return all(map(self._sealer.is_current, texts))

    def save(self, user: User, events: Sequence[Event], *, before: User) -> bool:
        """Store a user's next version and acknowledge it once it is on disk.

        Args:
            user: as it shall be, under the version that it was loaded with.
            events: what happened.
            before: as it was loaded, to see whether the contacts change.

        Returns:
            Whether it was stored: not when it changed since it was loaded.

        """
        gone = self._owners.begin_change(before, user)
        saved = self.save_many([(user, events)])[0]
        if saved:
            self._owners.drop(gone)
        return saved

    def save_many(self, users: Sequence[tuple[User, Sequence[Event]]], *, durable: bool = True) -> list[bool]:
        """Store the next versions of several users in one round trip; for each, whether it was stored.

        Contacts must be as they were: only `save` lets them lead to their user.
        """
        commands = [
            _save_command(user, self._encode(replace(user, version=user.version + 1)), events)
            for user, events in users
        ]
        replies = self._store.batch(commands, durable=durable) if commands else []
        return [bool(reply[0]) for reply in replies]

    def delete(self, user: User, events: Sequence[Event]) -> bool:
        """Forget a user. Returns whether that happened: not when it changed since it was loaded."""
        gone = self._owners.begin_change(user, replace(user, phone=None, email=None))
        forget: Command = ("DEL", keys.failures(user.key))
        reply, _ = self._store.batch([_save_command(user, b"", events), forget], durable=True)
        if reply[0]:
            self._owners.drop(gone)
        return bool(reply[0])

    def _encode(self, user: User) -> bytes:
        name = keys.user(user.key)
        profile = {
            "u": user.user_id,
            "p": user.phone and (user.phone.e164, user.phone.calling_code),
            "k": user.phone and (kind_of(user.phone), PLANS),
            "e": user.email and user.email.address,
            "l": user.locale,
        }
        return _encode(
            _Record(
                key=user.key,
                application=user.application,
                sealed=self._sealer.seal(_compact(profile), name),
                version=user.version,
                schema=SCHEMA,
                has=("p" if user.phone else "") + ("e" if user.email else ""),
                factors=tuple(self._seal_factor(name, factor) for factor in user.totp),
                backup_codes=user.backup_codes,
                backup_codes_at=user.backup_codes_at,
            )
        )

    def _seal_factor(self, user_name: str, factor: TotpFactor) -> _Factor:
        secret = {"s": factor.secret, "l": factor.label, "d": factor.device_name}
        return _Factor(
            id=factor.id,
            sealed=self._sealer.seal(_compact(secret), f"{user_name}/{factor.id}"),
            created_at=factor.created_at,
            algorithm=factor.algorithm,
            digits=factor.digits,
            period=factor.period,
            last_step=factor.last_step,
            last_used_at=factor.last_used_at,
        )

    def _open_factor(self, user_name: str, factor: _Factor) -> TotpFactor:
        opened = msgspec.json.decode(self._sealer.open(factor.sealed, f"{user_name}/{factor.id}"))
        return TotpFactor(
            id=factor.id,
            secret=opened["s"],
            created_at=factor.created_at,
            label=opened.get("l"),
            device_name=opened.get("d"),
            algorithm=factor.algorithm,
            digits=factor.digits,
            period=factor.period,
            last_step=factor.last_step,
            last_used_at=factor.last_used_at,
        )


def _save_command(user: User, record: bytes, events: Sequence[Event]) -> Command:
    """The command that replaces a user's record, unless it changed since; empty deletes it."""
    args: list[object] = [user.version, record]
    for event in events:
        args += (event.type, event.at, msgspec.json.encode(event.data))
    return call(SCRIPTS["save_user"], [keys.user(user.key), keys.outbox(user.key[:2])], args)


def _has(user: User, contact: Phone | Email) -> bool:
    if isinstance(contact, Phone):
        return user.phone == contact
    return user.email is not None and user.email.address.lower() == contact.address.lower()


def _address_of(user_key: str) -> str:
    return f"address/{user_key}"


def _compact(values: Mapping[str, object]) -> bytes:
    return msgspec.json.encode({name: value for name, value in values.items() if value})
