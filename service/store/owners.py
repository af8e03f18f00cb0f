"""Whose a phone number or an e-mail address is: users found by the keyed hash of their contacts.

An entry is in another slot than its user, so the two are not written at once: it is there before the user has
the contact, and goes after the user has it no more. What is found is a hint, and true of a user only whose
record says so; but nobody is missing, and so "only this user has it" can be believed.
"""

from collections.abc import Sequence
from typing import NamedTuple

from service.domain.contacts import Email, Phone
from service.domain.user import User
from service.store import keys
from service.store.connections import Command
from service.store.redis import SCRIPTS, Store, call

MOST = 16  # owners looked at; where there are more it is nobody's alone


class Gone(NamedTuple):
    """An entry whose user is about to lose the contact, and the version that it was noted with."""

    name: str
    user_key: str
    noted: bytes


class Owners:
    """The entries of all applications."""

    def __init__(self, store: Store, name_key: bytes) -> None:
        self._store = store
        self._name_key = name_key

    def hashed(self, application: str, contact: Phone | Email) -> str:
        """The keyed hash that stands for a number or address in an application."""
        if isinstance(contact, Phone):
            return keys.keyed_hash(self._name_key, "owner", application, contact.e164)
        return keys.keyed_hash(self._name_key, "owner", application, contact.address.lower())

    def find(self, application: str, contact: Phone | Email) -> list[str]:
        """Keyed hashes of all who may have it, `MOST` + 1 at most."""
        name = keys.owners(self.hashed(application, contact))
        (found,) = self._store.batch([("HRANDFIELD", name, MOST + 1)])
        return [user_key.decode() for user_key in found]

    def note(self, users: Sequence[User]) -> None:
        """Let the contacts of users lead to them, on disk when it comes back."""
        self._store.batch([command for user in users for command in self._notes(user)], durable=True)

    def begin_change(self, before: User, after: User) -> list[Gone]:
        """Before a user's record is replaced: note what is new. Returns what is to be dropped afterwards."""
        had, has = self._names(before), self._names(after)
        if had == has:
            return []
        if has - had:
            self.note([after])
        lost = sorted(had - has)
        found = self._store.batch([("HGET", name, before.key) for name in lost])
        return [Gone(name, before.key, noted) for name, noted in zip(lost, found, strict=True) if noted]

    def drop(self, gone: Sequence[Gone]) -> None:
        """After the record was replaced."""
        self._store.batch(
            [call(SCRIPTS["drop_owner"], [one.name], [one.user_key, one.noted]) for one in gone]
        )

    def _notes(self, user: User) -> list[Command]:
        return [("HSET", name, user.key, user.version + 1) for name in sorted(self._names(user))]

    def _names(self, user: User) -> set[str]:
        contacts = [contact for contact in (user.phone, user.email) if contact is not None]
        return {keys.owners(self.hashed(user.application, contact)) for contact in contacts}
