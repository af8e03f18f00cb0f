"""That the oracle notices what it is there for: each kind of wrong and of loss, told to it."""

import pytest

from tests.chaos.ledger import Ledger, Wish


@pytest.fixture
def ledger():
    return Ledger()


def used(ledger, *challenges, channel="totp"):
    """A code that got somebody in."""
    code = ledger.code(channel, "ada", "123456")
    for challenge in challenges:
        ledger.trying(code, challenge)
        ledger.answered(code, challenge, valid=True)
    return code


def test_one_approval_is_right(ledger):
    code = used(ledger, "ch_1")
    ledger.trying(code, "ch_2")
    ledger.answered(code, "ch_2", valid=False)
    ledger.judge_challenges({"ch_1": "totp", "ch_2": None})
    ledger.judge_replay(code, valid=False)
    assert (ledger.wrong, ledger.lost) == ([], [])


def test_two_approvals_by_one_code_are_wrong(ledger):
    used(ledger, "ch_1", "ch_2")
    assert "approved 2 times" in ledger.wrong[0]


def test_the_same_approval_told_twice_is_wrong(ledger):
    used(ledger, "ch_1", "ch_1")
    assert "approved 2 times" in ledger.wrong[0]


def test_a_second_approval_that_nobody_was_told_of_is_wrong(ledger):
    code = used(ledger, "ch_1")
    ledger.trying(code, "ch_2")  # its answer was lost
    ledger.judge_challenges({"ch_1": "totp", "ch_2": "totp"})
    assert "stands as the approval of 2" in ledger.wrong[0]


def test_another_channels_approval_is_not_this_codes(ledger):
    code = used(ledger, "ch_1")
    ledger.trying(code, "ch_2")
    ledger.judge_challenges({"ch_1": "totp", "ch_2": "email"})
    assert ledger.wrong == []


def test_an_approval_that_is_gone_is_lost(ledger):
    used(ledger, "ch_1")
    ledger.judge_challenges({"ch_1": None})
    assert "is gone" in ledger.lost[0]


def test_a_used_code_that_works_again_is_lost(ledger):
    ledger.judge_replay(used(ledger, "ch_1", channel="backup_code"), valid=True)
    assert "works again" in ledger.lost[0]


def test_an_approval_by_wrong_codes_only_is_wrong(ledger):
    ledger.guessing("ch_1")
    ledger.judge_challenges({"ch_1": "sms"})
    assert "approved by a wrong code" in ledger.wrong[0]


def test_a_right_code_after_a_wrong_one_may_approve(ledger):
    ledger.guessing("ch_1")
    used(ledger, "ch_1")
    ledger.judge_challenges({"ch_1": "totp"})
    assert ledger.wrong == []


def test_an_acknowledged_app_that_is_gone_is_lost(ledger):
    ledger.enrolled["ada"] = "fa_1"
    ledger.judge_user("ada", ["fa_1"], None)
    assert ledger.lost == []
    ledger.judge_user("ada", [], None)
    assert ledger.lost == ["the app of ada is gone"]


def test_contacts_are_those_that_were_acknowledged_or_asked_for_since(ledger):
    wish = ledger.contacts["ada"]
    wish.acknowledged = wish.ask("old")
    wish.ask("new")
    for email in ("old", "new"):
        ledger.judge_user("ada", [], {"email": email})
    assert ledger.lost == []
    ledger.judge_user("ada", [], {"email": None})
    assert "contacts of ada" in ledger.lost[0]


def test_a_mode_that_went_back_is_lost(ledger):
    wish = ledger.modes["+299"]
    for mode in ("auto", "fallback"):
        wish.acknowledged = wish.ask(mode)
    ledger.judge_mode("+299", "fallback")
    assert ledger.lost == []
    ledger.judge_mode("+299", "auto")
    assert "mode of +299" in ledger.lost[0]


@pytest.mark.parametrize("before", [None, "primary_only"])
def test_what_was_never_acknowledged_may_be_or_not(before):
    wish = Wish([before])
    wish.ask("fallback")
    assert wish.allows(before)
    assert wish.allows("fallback")
    assert not wish.allows("auto")
