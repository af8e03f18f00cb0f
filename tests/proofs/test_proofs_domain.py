"""Whose turn it is to sign, and which keys are published meanwhile."""

from hypothesis import given
from hypothesis import strategies as st

from service.domain.signing import AHEAD, BEHIND, PROOF_LIFE, PUBLISHED_FOR, SigningKey, SigningKeys

FIRST = SigningKeys((SigningKey(b"1"),))
DAY = 86_400_000


def seeds(keys):
    return [key.seed for key in keys]


def test_a_key_is_published_before_it_signs():
    keys = FIRST.rotated(b"2", DAY)
    assert seeds(keys.published(DAY)) == [b"1", b"2"]
    assert keys.waiting(DAY).seed == b"2"
    assert keys.signer(DAY + AHEAD - 1).seed == b"1"
    assert keys.signer(DAY + AHEAD).seed == b"2"
    assert keys.waiting(DAY + AHEAD) is None
    assert AHEAD > PUBLISHED_FOR


def test_the_one_before_stays_as_long_as_a_proof_of_it_lives_and_is_cached():
    keys = FIRST.rotated(b"2", DAY)
    turn = DAY + AHEAD
    assert seeds(keys.published(turn + BEHIND - 1)) == [b"1", b"2"]
    assert seeds(keys.published(turn + BEHIND)) == [b"2"]
    assert BEHIND == PROOF_LIFE + PUBLISHED_FOR


def test_a_revoked_key_is_gone_at_once():
    keys = FIRST.rotated(b"2", DAY).revoked(b"3", DAY + 1)
    assert seeds(keys.published(DAY + 1)) == [b"3"]
    # What was approved under the one before is signed by the new one, so that logins under way go on.
    assert keys.signer(DAY).seed == b"3"


@given(st.lists(st.integers(0, 3_600_000), min_size=1, max_size=8))
def test_whatever_was_signed_is_published_while_it_lives(pauses):
    """Rotations at any distance: who signs is known to everybody, and stays known until its proofs end."""
    now, keys = DAY, FIRST
    rotations = []
    for count, pause in enumerate(pauses):
        now += pause
        if keys.waiting(now) is None:
            keys = keys.rotated(bytes([count]), now)
            rotations.append((now, keys))
    for (since, present), (until, _) in zip(rotations, [*rotations[1:], (now + DAY, None)], strict=True):
        for at in {since, min(since + AHEAD, until), min(since + AHEAD + BEHIND, until), until - 1}:
            signer = present.signer(at)
            for later in (at, at + PROOF_LIFE - 1):
                ring = [ring for begun, ring in rotations if begun <= later][-1]
                assert signer in ring.published(later)
                assert ring.signer(at) == signer, "the same challenge has another proof"
