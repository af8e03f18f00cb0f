"""Plans and modes: which channels, in which order, and why not the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.channels import DEFAULT_ORDER, TRAITS, Channel
from service.domain.contacts import Email, Phone
from service.domain.failures import Reason
from service.domain.mode import Mode, ModeSetting, Scope, effective
from service.domain.plan import build_plan, presentable
from service.domain.user import TotpFactor, User

EVERYTHING = frozenset(Channel)


def user(*having):
    return User(
        "k",
        "default",
        "u",
        phone=Phone("+14155550123", "+1") if "phone" in having else None,
        email=Email("a@b.example") if "email" in having else None,
        totp=(TotpFactor("fa", "A" * 32, 0),) if "app" in having else (),
        backup_codes=("h",) if "codes" in having else (),
    )


def plan(who, requested=None, configured=EVERYTHING, min_assurance="aal1", mode=Mode.AUTO):
    entries = build_plan(
        who, requested=requested, configured=configured, min_assurance=min_assurance, mode=mode
    )
    return [(e.channel.value, e.state, e.reason.value if e.reason else None) for e in entries]


FULL = user("phone", "email", "app", "codes")


def test_the_default_order():
    assert plan(FULL) == [
        ("sms", "waiting", None),
        ("totp", "ready", None),
        ("email", "waiting", None),
        ("backup_code", "ready", None),
    ]


def test_the_callers_order():
    wanted = [Channel.EMAIL, Channel.VOICE, Channel.TOTP]
    assert [name for name, _, _ in plan(FULL, wanted)] == ["email", "voice", "totp"]


@pytest.mark.parametrize(
    ("who", "options", "reasons"),
    [
        (user(), {}, dict.fromkeys(("sms", "totp", "email", "backup_code"), "not_enrolled")),
        (FULL, {"configured": {Channel.TOTP}}, dict.fromkeys(("sms", "email", "backup_code"), "not_configured")),
        (FULL, {"min_assurance": "aal2"}, {"email": "below_min_assurance"}),
        (FULL, {"mode": Mode.FALLBACK}, {"sms": "mode"}),
        (FULL, {"mode": Mode.PRIMARY_ONLY}, dict.fromkeys(("totp", "email", "backup_code"), "mode")),
        (user("app", "email"), {"mode": Mode.PRIMARY_ONLY}, dict.fromkeys(("sms", "backup_code"), "not_enrolled")),
        # What a user lacks is said before what the installation lacks, or forbids.
        (user("app"), {"configured": {Channel.TOTP}, "mode": Mode.FALLBACK},
         dict.fromkeys(("sms", "email", "backup_code"), "not_enrolled")),
    ],
)  # fmt: skip
def test_why_a_channel_can_not_serve(who, options, reasons):
    found = {name: reason for name, _, reason in plan(who, **options) if reason}
    assert found == reasons


@given(
    having=st.sets(st.sampled_from(["phone", "email", "app", "codes"])),
    requested=st.none() | st.lists(st.sampled_from(list(Channel)), min_size=1, unique=True),
    configured=st.sets(st.sampled_from(list(Channel))),
    min_assurance=st.sampled_from(["aal1", "aal2"]),
    mode=st.sampled_from(list(Mode)),
)
def test_what_holds_for_every_plan(having, requested, configured, min_assurance, mode):
    who = user(*having)
    entries = build_plan(
        who, requested=requested, configured=configured, min_assurance=min_assurance, mode=mode
    )
    assert [e.channel for e in entries] == list(requested or DEFAULT_ORDER)
    for entry in entries:
        usable = entry.state in ("waiting", "ready")
        assert usable is (entry.reason is None)
        assert entry.opened is (entry.state == "ready")
        if usable:
            assert who.enrolled(entry.channel)
            assert entry.channel in configured
            assert not (min_assurance == "aal2" and TRAITS[entry.channel].assurance == "aal1")
            assert not (mode is Mode.FALLBACK and TRAITS[entry.channel].paid)
        else:
            assert entry.state == "skipped"
    if mode is Mode.PRIMARY_ONLY and any(e.state == "waiting" and TRAITS[e.channel].paid for e in entries):
        assert all(TRAITS[e.channel].paid for e in entries if e.state != "skipped")
    shown = presentable(entries, requested=requested is not None)
    if requested is None:
        assert all(e.reason is not Reason.NOT_ENROLLED for e in shown)
    else:
        assert shown == entries


# Modes


def setting(mode, country=None, application=None, expires_at=None):
    return ModeSetting(mode, Scope(country, application), "r", "by", 0, expires_at)


def test_nothing_set_is_auto():
    assert effective([], "default", "+1", 0) is None


def test_the_narrowest_wins():
    everybody = setting(Mode.FALLBACK)
    country = setting(Mode.AUTO, country="+91")
    application = setting(Mode.PRIMARY_ONLY, application="shop")
    both = setting(Mode.FALLBACK, country="+91", application="shop")
    settings = [both, application, everybody, country]
    assert effective(settings, "default", "+1", 0) is everybody
    assert effective(settings, "default", "+91", 0) is country
    assert effective(settings, "shop", "+1", 0) is application
    assert effective(settings, "shop", "+91", 0) is both
    assert effective(settings, "shop", None, 0) is application
    assert effective([country], "default", None, 0) is None


def test_a_lapsed_mode_does_not_hold():
    lapsing = setting(Mode.FALLBACK, country="+1", expires_at=1000)
    everybody = setting(Mode.PRIMARY_ONLY)
    assert effective([everybody, lapsing], "default", "+1", 999) is lapsing
    assert effective([everybody, lapsing], "default", "+1", 1000) is everybody


SCOPES = st.builds(
    Scope, st.none() | st.sampled_from(["+1", "+91"]), st.none() | st.sampled_from(["default", "shop"])
)


@given(
    st.lists(
        st.builds(
            ModeSetting,
            st.sampled_from(list(Mode)),
            SCOPES,
            st.just("r"),
            st.just("b"),
            st.just(0),
            st.none() | st.integers(1, 10),
        ),
        unique_by=lambda s: s.scope,
    ),
    st.sampled_from(["default", "shop"]),
    st.sampled_from(["+1", "+91", "+44", None]),
    st.integers(0, 10),
)
def test_what_wins_covers_and_nothing_narrower_does(settings, application, country, now):
    won = effective(settings, application, country, now)
    covering = [s for s in settings if s.in_force(now) and s.scope.covers(application, country)]
    if won is None:
        assert covering == []
    else:
        assert won in covering
        assert all(s.scope.narrowness <= won.scope.narrowness for s in covering)
