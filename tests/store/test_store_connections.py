"""What a URL of Redis means."""

import pytest

from service.store.connections import Cluster, OneServer, _key_of, _parts, nodes_for


@pytest.mark.parametrize(
    ("url", "places", "login", "path", "query"),
    [
        ("redis+cluster://a:1,b:2", [("a", 1), ("b", 2)], {}, "", {}),
        ("redis+cluster://a", [("a", None)], {}, "", {}),
        ("redis+cluster://u:p%40x@a:1,[::1]:2", [("a", 1), ("::1", 2)], {"username": "u", "password": "p@x"}, "", {}),
        ("redis+sentinel://:p@a:1,b:2/main/3?ssl=true", [("a", 1), ("b", 2)], {"password": "p"}, "main/3", {"ssl": "true"}),
    ],
)  # fmt: skip
def test_parts(url, places, login, path, query):
    assert _parts(url) == (places, login, path, query)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://localhost:1/2", OneServer),
        ("redis+sentinel://a:1,b:2/main", OneServer),
        ("redis+cluster://a:1", Cluster),
    ],
)
def test_nothing_is_connected_to_before_it_is_used(url, kind):
    assert isinstance(nodes_for(url), kind)


@pytest.mark.parametrize(
    "url",
    ["redis+sentinel://a:1", "redis+cluster://", "redis+cluster://a:1,,b:2", "redis+cluster://a:x", "redis+cluster://a?db=3"],
)  # fmt: skip
def test_what_can_not_be_understood(url):
    with pytest.raises(ValueError, match=r"."):
        nodes_for(url)


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", "k"), "k"),
        (("EVALSHA", "sha", 2, "k1", "k2", "arg"), "k1"),
        (("EVALSHA", "sha", 0, "arg"), None),
        (("ZADD", "k", "NX", 1, "m"), "k"),
        (("TIME",), None),
        (("WAITAOF", 1, 0, 9), None),
    ],
)
def test_the_key_of_a_command(command, key):
    assert _key_of(command) == key
