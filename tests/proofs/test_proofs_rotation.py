"""A new signing key, while several processes sign and check: soon, at once, by two at once, and interrupted."""

import base64
import json
import threading
from itertools import pairwise

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from service.domain.audit import AuditEntry, Who
from service.domain.errors import StoreUnavailable
from service.domain.signing import AHEAD, BEHIND
from service.flows.rotation import RotateKeys
from service.store.sealing import Sealer
from service.store.signing import CACHE_SECONDS, SigningStore

ADA = Who("key_ada")
FIELD = b"proofs"
RECORD = "otp:{00}:signing"


@pytest.fixture
def aged(monkeypatch):
    """What a process knows of keys counts as old."""

    def forget(services):
        keys = services.proofs._keys
        if keys._cached is not None:
            keys._cached = (0.0, keys._cached[1])

    return forget


def proof(services, challenge, clock):
    return services.proofs.sign(challenge, "alice", clock())


def kid(token):
    head = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]


def published(services):
    return [key["kid"] for key in services.proofs.jwks()["keys"]]


def checked(token, jwks):
    return jwt.decode(token, KeySet.import_key_set(jwks), algorithms=["EdDSA"]).claims


def test_no_proof_fails_on_the_way_from_one_key_to_the_next(process, clock, login, aged):
    """A login a minute; verifiers that fetched the keys at any time of the last 5 minutes all know the key."""
    one, two = process(), process()
    kept = [one.proofs.jwks()]
    kids = []
    for minute in range((AHEAD + BEHIND) // 60_000 + 3):
        if minute == 1:
            turn = one.core.rotate_signing_key(ADA, reason="quarterly")
            assert turn.made
        for services in (one, two):
            aged(services)
        token = proof(two, login(two), clock)
        kids.append(kid(token))
        for jwks in kept[-5:]:  # fetched up to 5 minutes ago
            assert checked(token, jwks)["sub"] == "alice"
        assert one.proofs.introspect("default", token) is not None
        clock.pass_(60)
        kept.append(one.proofs.jwks())
    changes = sum(a != b for a, b in pairwise(kids))
    assert changes == 1
    assert kids[-1] == turn.kid
    assert [key["kid"] for key in kept[-1]["keys"]] == [turn.kid], "the old key is still published"


def test_a_challenge_has_one_proof_whenever_it_is_asked(process, clock, login, aged):
    services = process()
    services.core.rotate_signing_key(ADA)
    clock.pass_(AHEAD / 1000 - 100)
    challenge = login(services)
    first = proof(services, challenge, clock)
    clock.pass_(200)  # meanwhile the new key signs
    aged(services)
    assert proof(services, challenge, clock) == first
    assert kid(proof(services, login(services), clock)) != kid(first)


def test_every_process_takes_the_new_key_by_itself(process, clock):
    one, two = process(), process()
    before = published(two)
    now = [0.0]
    two.proofs._keys._monotonic = lambda: now[0]
    two.proofs._keys._cached = None
    assert published(two) == before
    one.core.rotate_signing_key(ADA, at_once=True)
    assert published(two) == before
    now[0] = CACHE_SECONDS
    assert published(two) != before
    assert len(published(two)) == 1


def test_what_a_leaked_key_signed_is_refused(process, clock, login, aged):
    services = process()
    challenge = login(services)
    leaked = proof(services, challenge, clock)
    services.core.rotate_signing_key(ADA)
    turn = services.core.rotate_signing_key(ADA, reason="leaked", at_once=True)
    aged(services)
    assert published(services) == [turn.kid]
    assert services.proofs.introspect("default", leaked) is None
    # The login that was under way goes on, with a proof of the new key.
    fresh = proof(services, challenge, clock)
    assert kid(fresh) == turn.kid
    assert services.proofs.introspect("default", fresh)["jti"] == challenge.id
    entries = services.audit.newest(2)
    assert [entry["action"] for entry in entries] == ["proofs.revoke", "proofs.rotate"]
    assert (entries[0]["actor"], entries[0]["reason"], entries[0]["target"]) == (
        "key_ada",
        "leaked",
        turn.kid,
    )
    assert len(entries[0]["before"]["keys"]) == 2
    assert entries[0]["after"]["keys"] == [turn.kid]
    assert services.audit.verify().fault is None


def test_a_second_rotation_waits_for_the_first(process, clock):
    services = process()
    first = services.core.rotate_signing_key(ADA)
    again = services.core.rotate_signing_key(ADA)
    assert (again.made, again.kid, again.signs_from) == (False, first.kid, first.signs_from)
    clock.pass_(AHEAD / 1000)
    assert services.core.rotate_signing_key(ADA).made


@pytest.mark.parametrize("at_once", [False, True])
def test_many_rotate_at_once(process, clock, at_once):
    crowd = [process() for _ in range(6)]
    turns, barrier = [], threading.Barrier(len(crowd))

    def rotate(services):
        barrier.wait()
        turns.append(services.core.rotate_signing_key(ADA, at_once=at_once))

    threads = [threading.Thread(target=rotate, args=(services,)) for services in crowd]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    keys = process().core.signing.load()
    made = [turn for turn in turns if turn.made]
    assert len(turns) == len(crowd)
    assert len(made) == (len(crowd) if at_once else 1)
    assert len({turn.kid for turn in turns}) == len(made)
    assert len(keys.keys) == (1 if at_once else 2)
    assert published(process())[-1] in {turn.kid for turn in made}
    assert sum("proofs" in e["action"] for e in crowd[0].audit.newest(50)) == len(made)
    assert crowd[0].audit.verify().fault is None


def test_an_interrupted_rotation_is_none_or_whole(process, clock, server, monkeypatch):
    """The process dies before, or right after, the one step that changes anything."""
    services = process()
    before = published(services)
    real = SigningStore.save
    for die_first in (True, False):

        def dying(self, fresh, entry, die_first=die_first):
            if not die_first:
                assert real(self, fresh, entry)
            raise SystemExit

        monkeypatch.setattr(SigningStore, "save", dying)
        with pytest.raises(SystemExit):
            services.core.rotate_signing_key(ADA)
        noted = [e["action"] for e in services.audit.newest(10)]
        assert published(process())[: len(before)] == before
        assert len(published(process())) == (1 if die_first else 2)
        assert noted == ([] if die_first else ["proofs.rotate"])
    monkeypatch.setattr(SigningStore, "save", real)
    assert not services.core.rotate_signing_key(ADA).made
    assert services.audit.verify().fault is None


def test_a_state_from_before_rotation_keeps_its_key(process, clock, server):
    services = process()
    assert not server.redis().exists(RECORD)
    before = published(services)
    assert published(process()) == before
    services.core.rotate_signing_key(ADA)
    assert published(process())[0] == before[0]


def test_keys_are_sealed_and_follow_the_master_key(process, clock, server, monkeypatch, aged):
    services = process()
    services.core.rotate_signing_key(ADA)
    keys = services.core.signing.load()
    kept = server.redis().hget(RECORD, FIELD)
    for key in keys.keys:
        assert base64.b64encode(key.seed)[:20] not in kept
        assert repr(key.seed)[2:12] not in repr(key)
    new = "k2:" + base64.b64encode(b"n" * 32).decode()
    old = "k1:" + base64.b64encode(b"m" * 32).decode()
    both = process(OTP_MASTER_KEYS=f"{new},{old}").core
    list(RotateKeys(both.store, both.sealer, both.users, both.webhook_store, both.signing)())
    record = json.loads(server.redis().hget(RECORD, FIELD))
    assert record["z"].startswith("k2.")
    only = process(OTP_MASTER_KEYS=new)
    assert only.core.signing.load().keys == keys.keys
    # A rotation that read before it was sealed again does not undo that.
    late = AuditEntry(at=clock(), actor="key_ada", action="proofs.rotate")
    assert not services.core.signing.save(keys.rotated(b"x" * 32, clock()), late)
    assert json.loads(server.redis().hget(RECORD, FIELD))["z"].startswith("k2.")


def test_while_redis_is_away_proofs_can_still_be_checked_offline(process, server, clock, aged):
    services = process()
    known = published(services)
    server.valkey.kill()
    try:
        aged(services)
        assert published(services) == known
        with pytest.raises(StoreUnavailable):
            services.core.signing.load()
        with pytest.raises(StoreUnavailable):
            services.core.rotate_signing_key(ADA)
    finally:
        server.start_valkey()


def test_a_start_costs_no_more_round_trips(process, clock, login, monkeypatch):
    """The keys are read once in some seconds, not at every approval."""
    services = process()
    challenge = login(services)
    proof(services, challenge, clock)
    monkeypatch.setattr(SigningStore, "load", lambda self: pytest.fail("read again"))
    assert proof(services, challenge, clock)


def test_the_sealed_list_opens_in_its_place_only(process, clock, server):
    services = process()
    services.core.rotate_signing_key(ADA)
    record = json.loads(server.redis().hget(RECORD, FIELD))
    sealer = Sealer({"k1": b"m" * 32})
    with pytest.raises(Exception, match="does not open"):
        sealer.open(record["z"], "otp:keyring")
