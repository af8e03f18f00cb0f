"""Proofs checked offline by the client: one fetch of the keys, whatever is presented."""

import json
import time

import pytest
from joserfc import jwt
from joserfc.jwk import OKPKey

from service.client import ProofInvalid, proofs
from service.client.exchange import Reply
from tests.client.test_client_steps import World
from tests.support.stack import wait_until

NOW = 1_800_000_000
CLAIMS = {
    "iss": "https://otp.example", "aud": "default", "sub": "alice", "jti": "ch_1", "iat": NOW - 10,
    "exp": NOW + 290, "amr": ["otp"], "acr": "aal2", "channel": "totp",
}  # fmt: skip


class Key:
    """A signing key of the service."""

    def __init__(self, kid):
        self.kid = kid
        self.key = OKPKey.generate_key("Ed25519")

    def public(self):
        return {**self.key.as_dict(private=False), "kid": self.kid, "alg": "EdDSA", "use": "sig"}

    def sign(self, **claims):
        head = {"alg": "EdDSA", "kid": self.kid, "typ": "JWT"}
        return jwt.encode(head, {**CLAIMS, **claims}, self.key, algorithms=["EdDSA"])


def published(*keys, age=300):
    body = json.dumps({"keys": [key.public() for key in keys]}).encode()
    return Reply(200, {"cache-control": f"public, max-age={age}"}, body)


@pytest.fixture
def key():
    return Key("one")


def test_a_good_one(key):
    world = World(published(key))
    said = world.run(
        proofs.verify_proof, key.sign(), challenge_id="ch_1", user_id="alice", issuer=CLAIMS["iss"]
    )
    assert (said.user_id, said.challenge_id, said.assurance, said.amr) == ("alice", "ch_1", "aal2", ("otp",))
    assert said.expires_at.timestamp() == NOW + 290


def test_another_challenge_user_application_or_issuer(key):
    world = World(published(key))
    for wrong in (
        {"challenge_id": "ch_2"},
        {"user_id": "bob"},
        {"application": "x"},
        {"issuer": "https://x"},
    ):
        with pytest.raises(ProofInvalid, match="of another"):
            world.run(proofs.verify_proof, key.sign(), **wrong)


def test_its_end(key):
    world = World(published(key))
    world.run(proofs.verify_proof, key.sign(exp=NOW - 4))
    with pytest.raises(ProofInvalid, match="over"):
        world.run(proofs.verify_proof, key.sign(exp=NOW - 5))


def test_forged_ones(key):
    world = World(published(key))
    head, body, signature = key.sign().split(".")
    for forged in (
        Key("one").sign(),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-4]}AAAA",
        "x",
        "a.b.c",
        "é",
    ):
        with pytest.raises(ProofInvalid):
            world.run(proofs.verify_proof, forged)


def test_the_keys_are_fetched_once_while_they_are_good(key):
    world = World(published(key))
    for _ in range(5):
        world.run(proofs.verify_proof, key.sign())
    assert len(world.sent) == 1
    world.time += 300
    world.run(proofs.verify_proof, key.sign())
    assert len(world.sent) == 2


def test_a_key_that_is_not_published_any_more_is_refused(key):
    world = World(published(key), published(Key("two")))
    world.run(proofs.verify_proof, key.sign())
    world.time += 300
    with pytest.raises(ProofInvalid, match="No published key"):
        world.run(proofs.verify_proof, key.sign())


def test_made_up_key_ids_do_not_flood_the_service(key):
    world = World(published(key))
    for number in range(50):
        with pytest.raises(ProofInvalid):
            world.run(proofs.verify_proof, Key(f"made-up-{number}").sign())
    assert len(world.sent) == 1
    fresh = Key("two")
    world.answers = [published(key, fresh)]
    world.time += 11
    world.run(proofs.verify_proof, fresh.sign())
    assert len(world.sent) == 2


def test_a_rotation_is_not_noticed(connect, stack, api, person, cli):
    """Proofs of before and after, checked by a client that began before; the leaked key's are refused by the
    service at once."""
    otp = connect(stack.url)
    _, codes = api.enroll(person.id)
    challenge = otp.challenges.start(person.id)
    old = challenge.verify(codes[0]).proof
    otp.verify_proof(old, challenge_id=challenge.id, user_id=person.id)
    cli("rotate-keys", "--proofs", "--now", "--reason", "leaked")

    def refusing():
        later = connect(stack.url)  # it has kept no old keys, and asks whichever process takes its connection
        try:
            later.verify_proof(old)
        except ProofInvalid:
            return later
        return None

    later = wait_until(refusing)
    wait_until(lambda: later.challenges.get(challenge.id).proof != old)
    fresh = later.challenges.get(challenge.id).proof
    assert later.verify_proof(fresh, challenge_id=challenge.id).expires_at.timestamp() > time.time()
