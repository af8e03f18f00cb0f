"""What leaves, for whom, how often, and where to: pure."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.events import TOLD, told
from service.domain.hook_urls import (
    LOOPBACK_HOSTS,
    NOWHERE_PRIVATE,
    is_public,
    parse_private_hosts,
    parse_target,
)
from service.domain.webhooks import (
    GIVE_UP,
    LONGEST_ASKED,
    RETRIES,
    Message,
    Webhook,
    asked_wait,
    is_pattern,
    lane_of,
    retry_at,
    signing,
)


def webhook(**fields):
    return Webhook(
        **{"id": "wh_1", "url": "https://a.example/", "secret": "x", "created_at": 0, "version": 1, **fields}
    )


def test_times_are_written_as_times():
    data = {"mode": "auto", "expires_at": 1_700_000_000_123, "set_by": "key_1", "user": "hash"}
    assert told("mode.changed", data) == {
        "mode": "auto",
        "set_by": "key_1",
        "expires_at": "2023-11-14T22:13:20.123Z",
    }


@pytest.mark.parametrize(
    ("events", "kind", "wanted"),
    [
        ((), "challenge.sent", True),
        (("*",), "challenge.sent", True),
        (("challenge.*",), "challenge.sent", True),
        (("challenge.switched",), "challenge.sent", False),
        (("incident.*", "challenge.sent"), "challenge.sent", True),
        (("challenge",), "challenge.sent", False),
    ],
)
def test_patterns(events, kind, wanted):
    assert webhook(events=events).wants(kind, {}) is wanted


def test_an_application_hears_its_own_and_what_is_nobodys():
    bound = webhook(application="shop")
    assert bound.wants("challenge.sent", {"application": "shop"})
    assert not bound.wants("challenge.sent", {"application": "bank"})
    assert bound.wants("incident.opened", {})
    assert not webhook(enabled=False).wants("challenge.sent", {})


def test_a_mode_for_everybody_is_told_to_every_application():
    assert webhook(application="shop").wants("mode.changed", {"application": None, "mode": "auto"})


def test_no_pattern_that_covers_nothing():
    assert all(map(is_pattern, ("*", "incident.*", *TOLD)))
    assert not any(map(is_pattern, ("", "incident", "incident.", "incidents.*", "provider.checked", "**")))


def test_lanes():
    assert lane_of("challenge.sent", {"id": "ch_1"}, "m") == "ch_1"
    assert lane_of("incident.opened", {"id": "inc_1"}, "m") == "inc_1"
    assert lane_of("provider.circuit_open", {"route": "twilio_verify/sms/+1"}, "m") == "twilio_verify/sms/+1"
    assert lane_of("factor.enrolled", {"factor": "f"}, "m") == "m"


@given(st.floats(0, 1, exclude_max=True), st.none() | st.integers(0, 10**9))
def test_tries_are_spread_bounded_and_end_within_a_day(chance, asked):
    message, now, waits = Message(id="m"), 1_000_000, []
    while (due := retry_at(message, now, chance=chance, asked=asked)) is not None:
        waits.append(due - now)
        message = Message(id="m", tries=message.tries + 1, first=message.first or now)
        now = due
    for number, wait in enumerate(waits):
        planned = RETRIES[min(number, len(RETRIES) - 1)]
        assert wait >= planned * 0.8 - 1
        assert wait <= max(planned * 1.2 + 1, min(asked or 0, LONGEST_ASKED))
    assert now - message.first <= GIVE_UP
    assert len(waits) > len(RETRIES)


def test_a_receiver_may_ask_for_time():
    assert asked_wait("120", 0) == 120_000
    assert asked_wait("Thu, 01 Jan 1970 00:01:00 GMT", 20_000) == 40_000
    assert asked_wait("Thu, 01 Jan 1970 00:01:00 GMT", 90_000) == 0
    assert asked_wait("soon", 0) is None
    assert asked_wait("-1", 0) is None


def test_two_secrets_sign_for_a_day():
    both = webhook(secret="new", former="old", former_until=100)
    assert list(signing(both, 99)) == ["new", "old"]
    assert list(signing(both, 100)) == ["new"]


PRIVATE = """0.0.0.0 10.0.0.1 100.64.0.1 127.0.0.1 169.254.169.254 172.16.0.1 192.168.1.1 192.0.2.1 198.18.0.1
224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 ::10.0.0.1 fe80::1 fec0::1 fc00::1 ff02::1 2001:db8::1 2001:0:1::1 100::1
::ffff:10.0.0.1 ::ffff:127.0.0.1 2002:a00:1:: 2002:7f00:1:: 64:ff9b::a00:1 64:ff9b::7f00:1 64:ff9b:1::1""".split()


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public(address):
    assert not is_public(ip_address(address))
    assert not NOWHERE_PRIVATE.allow("a.example", ip_address(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::"]
)
def test_what_is_public(address):
    assert is_public(ip_address(address))


def test_private_hosts_are_named():
    allowed = parse_private_hosts("hooks.internal, 10.1.0.0/16,fd00::/8")
    assert allowed.allow("hooks.internal", ip_address("192.168.1.1"))
    assert allowed.allow("x.example", ip_address("10.1.2.3"))
    assert not allowed.allow("x.example", ip_address("10.2.0.1"))
    assert allowed.allow("x.example", ip_address("fd00::1"))
    assert LOOPBACK_HOSTS.allow("x.example", ip_address("127.0.0.1"))
    assert not LOOPBACK_HOSTS.allow("x.example", ip_address("10.0.0.1"))
    for text in ("10.1.0.0/33", "a b", "http://x", "10.1.2"):
        with pytest.raises(ValueError, match="expected"):
            parse_private_hosts(text)


@pytest.mark.parametrize(
    "url",
    [
        "", "a.example", "ftp://a.example", "https://", "https://a.example:0/", "https://a.example:x/",
        "https://u:p@a.example/", "https://u@a.example/", "https://a.example/#f", "https://a.example/ x",
        "https://a.example\\@b.example/", "https://a.example/\n", "https://-a.example/", "http://a.example/",
        "https://a.example/" + "x" * 2048, "https://[::1", "https://ä.example/",
    ],
)  # fmt: skip
def test_bad_addresses(url):
    with pytest.raises(ValueError, match=r"expected|must"):
        parse_target(url, https_only=True)


def test_the_parts_of_an_address():
    target = parse_target("https://Hooks.Example:8443/a/b?c=d", https_only=True)
    assert target == ("https", "hooks.example", 8443, "/a/b?c=d")
    assert target.origin == "https://hooks.example:8443"
    assert parse_target("https://[2606:4700::1111]/", https_only=True).authority == "[2606:4700::1111]"
    assert parse_target("http://a.example", https_only=False).path == "/"
