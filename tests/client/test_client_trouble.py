"""What is lost on the way is asked again, and done once."""

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.client import NoAnswer, NotFound, Unavailable
from tests.support.stack import free_port


@pytest.fixture
def otp(connect, cable):
    return connect(cable.url)


def challenges(stack):
    return set(stack.redis().scan_iter("otp:*:c:*"))


def test_a_lost_answer_to_start_makes_no_second_challenge(otp, cable, stack, sandbox, person):
    before = challenges(stack)
    cable.lose(2)
    challenge = otp.challenges.start(person.id, phone=person.phone)
    assert cable.requests == 3
    assert sandbox.count("send") == 1
    assert len(challenges(stack) - before) == 1
    assert challenge.verify(sandbox.code(person.phone)).valid


def test_a_lost_answer_to_verify_costs_one_attempt(otp, cable, sandbox, person):
    challenge = otp.challenges.start(person.id, phone=person.phone)
    cable.lose(3)
    assert not challenge.verify("0000000").valid
    assert challenge.attempts_remaining == 4
    assert sandbox.count("check") == 1
    code = sandbox.code(person.phone)
    cable.lose(1)
    verdict = challenge.verify(code)
    assert verdict.valid
    assert verdict.proof


def test_a_backup_code_whose_answer_is_lost_still_lets_in(otp, cable, person, api):
    _, codes = api.enroll(person.id)
    challenge = otp.challenges.start(person.id)
    cable.lose(1)
    assert challenge.verify(codes[0]).valid


def test_what_never_arrived_is_sent_again(otp, cable, person):
    cable.cut(2)
    challenge = otp.challenges.start(person.id, phone=person.phone)
    assert challenge.channel == "sms"
    cable.cut(1)
    challenge.refresh()


def test_a_removal_whose_answer_is_lost_is_done(otp, cable, person, api):
    api.enroll(person.id)
    (factor,) = otp.users.factors(person.id).factors
    cable.lose(1)
    otp.users.remove_factor(person.id, factor.id)
    assert otp.users.factors(person.id).factors == ()


def test_a_use_whose_answer_is_lost_is_told(otp, cable, person, api):
    _, codes = api.enroll(person.id)
    challenge = otp.challenges.start(person.id)
    challenge.verify(codes[0])
    cable.lose(1)
    assert otp.introspect_proof(challenge.proof, use_once=True).active


def test_a_restart_of_the_service_in_the_middle(otp, stack, person):
    challenge = otp.challenges.start(person.id, phone=person.phone)
    stack.web.kill()
    thread = threading.Thread(target=stack.start_web)
    thread.start()
    assert challenge.verify("0000000").attempts_remaining == 4
    thread.join()


def test_redis_that_comes_back(otp, stack, person):
    stack.valkey.kill()
    thread = threading.Timer(0.5, stack.start_valkey)
    thread.start()
    assert otp.challenges.start(person.id, phone=person.phone).is_pending
    thread.join()


def test_redis_that_stays_away(connect, stack, person):
    otp = connect(stack.url, timeout=1.5)
    stack.valkey.kill()
    try:
        with pytest.raises(Unavailable) as caught:
            otp.challenges.start(person.id, phone=person.phone)
        assert caught.value.code == "store_unavailable"
        assert caught.value.retry_after is not None
    finally:
        stack.start_valkey()


def test_nobody_there(connect):
    otp = connect(f"http://127.0.0.1:{free_port()}", timeout=1.0)
    with pytest.raises(NoAnswer, match="ConnectError"):
        otp.challenges.start("x")


@contextlib.contextmanager
def speaking(speak):
    """Something on this machine that answers every connection so; its address."""

    def serve():
        with contextlib.suppress(OSError):  # of `accept`, once it is shut down
            while True:
                connection, _ = server.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    speak(connection)

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(serve)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def trickle(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def garble(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope")


def test_an_answer_that_trickles_is_not_waited_for(connect):
    """Each byte comes in time, and the whole never."""
    with speaking(trickle) as url:
        otp, began = connect(url, timeout=0.8, attempt=0.3), time.monotonic()
        with pytest.raises(NoAnswer, match="TimeoutError"):
            otp.ops.mode()
        assert time.monotonic() - began < 4


def test_an_answer_that_can_not_be_read(connect):
    """Said to be compressed, and not: what a broken proxy does."""
    with speaking(garble) as url, pytest.raises(NoAnswer, match="DecodingError"):
        connect(url, timeout=0.3).ops.mode()


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8080", "ftp://x", "https://user:secret@otp.example", "https://", ""]
)
def test_an_address_that_is_none_is_told_at_once(connect, url):
    with pytest.raises(ValueError, match="base_url") as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_something_else_answers(connect, stack):
    """A page where the API should be, such as a proxy's."""
    otp = connect(stack.sandbox.url)
    with pytest.raises(NotFound) as caught:
        otp.ops.mode()
    assert caught.value.status == 404
