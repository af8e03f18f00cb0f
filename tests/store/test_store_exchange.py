"""Commands in one piece, and the connections that wait for the next ones."""

import pytest
from redis.exceptions import RedisError, ResponseError

from service.store import exchange as exchanging
from service.store.exchange import distrust_idle, exchange

FOR_EVER = 1e9  # seconds


@pytest.fixture
def client(server):
    client = server.redis()
    client.delete("otp:x", "otp:y")
    return client


@pytest.fixture
def warm(monkeypatch):
    """Sets how long a connection is taken to be good."""
    return lambda seconds: monkeypatch.setattr(exchanging, "WARM", seconds)


def name_of(client):
    return exchange(client, [("CLIENT", "ID")])[0]


def test_what_is_refused_stands_in_its_place_and_the_rest_is_done(client):
    stored, refused, *found = exchange(
        client, [("SET", "otp:x", "a"), ("INCR", "otp:x"), ("GET", "otp:x"), ("HGETALL", "otp:y")]
    )
    assert stored is True
    assert isinstance(refused, ResponseError)
    assert found == [b"a", {}]


def test_a_connection_is_used_again(client, warm):
    warm(FOR_EVER)
    assert name_of(client) == name_of(client)


def test_one_that_waited_for_long_is_looked_at_first(client, server, warm):
    warm(0.0)
    server.redis().client_kill_filter(_id=name_of(client))
    assert exchange(client, [("GET", "otp:x")]) == [None]


def test_one_that_breaks_is_used_no_more(client, server, warm):
    warm(FOR_EVER)
    server.redis().client_kill_filter(_id=name_of(client))
    with pytest.raises(RedisError):
        exchange(client, [("GET", "otp:x")])
    assert exchange(client, [("GET", "otp:x")]) == [None]


def test_those_that_wait_can_be_distrusted(client, server, warm):
    warm(FOR_EVER)
    gone = name_of(client)
    distrust_idle(client)
    assert name_of(client) != gone
    assert gone not in {int(one["id"]) for one in server.redis().client_list()}


def test_no_more_wait_than_were_meant_to(client, warm, monkeypatch):
    warm(FOR_EVER)
    monkeypatch.setattr(exchanging, "WARM_MOST", 0)
    first = name_of(client)
    assert client.client_id() == first  # the pool has it back
