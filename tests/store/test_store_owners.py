"""Who has a number: nobody who has it is ever missing, and nobody else is ever believed to have it."""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.domain.contacts import Email, Phone
from service.domain.errors import StateConflict
from service.http.twilio import sids
from service.store import keys
from service.store.owners import MOST
from service.store.users import UserStore

ONE, OTHER = Phone("+14155550001", "+1"), Phone("+14155550002", "+1")


@pytest.fixture
def users(core) -> UserStore:
    return core.users


@pytest.fixture
def put(core):
    def set_contacts(user_id, application="default", **contacts):
        return core.enroll.set_contacts(application, user_id, **contacts)

    return set_contacts


def owner(users, contact, application="default"):
    found = users.owner(application, contact)
    return found and found.user_id


def entries(redis):
    return {name: redis.hgetall(name) for name in redis.scan_iter("otp:*:w:*")}


def test_it_follows_every_change(users, put, core, redis):
    put("ada", phone=ONE, email=Email("ada@example.com"))
    assert owner(users, ONE) == owner(users, Email("ADA@example.com")) == "ada"
    put("ada", phone=OTHER)
    assert (owner(users, ONE), owner(users, OTHER)) == (None, "ada")
    put("ada", phone=None)
    assert owner(users, OTHER) is None
    assert owner(users, Email("ada@example.com")) == "ada"
    core.enroll.forget("default", "ada")
    assert owner(users, Email("ada@example.com")) is None
    assert entries(redis) == {}


def test_of_two_it_is_nobodys_until_one_is_left(users, put):
    put("ada", phone=ONE)
    put("bob", phone=ONE)
    assert owner(users, ONE) is None
    put("ada", phone=None)
    assert owner(users, ONE) == "bob"


def test_applications_are_apart(users, put):
    put("ada", phone=ONE)
    put("bob", application="shop", phone=ONE)
    assert (owner(users, ONE), owner(users, ONE, "shop")) == ("ada", "bob")


def test_of_very_many_it_is_nobodys(users, put, redis):
    put("ada", phone=ONE)
    (name,) = entries(redis)
    redis.hset(name, mapping={users.key("default", f"gone-{n}"): 1 for n in range(MOST - 1)})
    assert owner(users, ONE) == "ada"  # all are looked at, and found not to have it
    redis.hset(name, users.key("default", "one more"), 1)
    assert owner(users, ONE) is None


def test_who_has_it_is_noted_before_the_record_says_so(users, core, monkeypatch):
    """So that whatever dies in between, nobody who has it is missing."""
    before = users.get("default", "ada")
    after = type(before)(before.key, "default", "ada", phone=ONE)
    seen = []

    def dies(self, some):
        seen.append(users._owners.find("default", ONE))
        raise RuntimeError("killed here")

    monkeypatch.setattr(UserStore, "save_many", dies)
    with pytest.raises(RuntimeError):
        users.save(after, (), before=before)
    assert seen == [[before.key]]
    monkeypatch.undo()
    assert owner(users, ONE) is None  # it is a hint


def test_changing_to_and_fro_at_once_loses_nobody(users, put):
    def change(number):
        try:
            put("ada", phone=(ONE, OTHER)[number % 2])
        except StateConflict:
            return

    for _ in range(5):
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(change, range(24)))
        has = users.get("default", "ada").phone
        assert owner(users, has) == "ada"
        assert owner(users, OTHER if has == ONE else ONE) is None


def test_a_challenge_has_a_sid_that_leads_back_to_it():
    for number in range(keys.PARTITIONS):
        user_key = f"{number:02x}" + "x" * 22
        for _ in range(20):
            id_ = keys.new_challenge_id(user_key, secrets.token_bytes(16))
            assert keys.is_id(id_, "ch")
            assert id_[3:5] == user_key[:2]
            sid = sids.of_id("VE", id_)
            assert sids.is_sid(sid, "VE")
            assert sids.challenge_id(sid) == id_
