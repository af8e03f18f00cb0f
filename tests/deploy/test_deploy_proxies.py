"""The examples of proxies, as real proxies in front of the service: nobody's own word of where they are is taken."""

import contextlib
import http.client
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.support.people import *  # noqa: F403
from tests.support.stack import API_KEY, ROOT, free_port, wait_until
from tests.support.tools import independent, python_packages

FOLDER = ROOT / "deploy" / "proxy"
SOMEBODY = "127.0.0.7"  # where the caller is, as the proxy sees it
CLAIMED = "203.0.113.9"


@pytest.fixture(scope="module")
def options():
    return {"workers": 1, "OTP_TRUSTED_PROXIES": "127.0.0.1"}


def call(port, method, path, body=None, **headers):
    """One request by a connection from an address of its own, which is this machine's as well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30, source_address=(SOMEBODY, 0))
    with contextlib.closing(connection):
        connection.request(method, path, body, {"Authorization": f"Bearer {API_KEY}", **headers})
        answer = connection.getresponse()
        try:
            return answer.status, answer.read().decode()
        except http.client.IncompleteRead as cut:  # refused while the request was still being written
            return answer.status, cut.partial.decode()


def replaced(text, *pairs):
    """An example with other places in it; each has to be there."""
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextlib.contextmanager
def running(command, port, **env):
    process = subprocess.Popen(
        command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:

        def answers():
            assert process.poll() is None, process.stderr.read()
            return call(port, "GET", "/healthz")[0] == 200

        wait_until(answers)
        yield port
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def folder():
    """Short, and everybody's to enter: nginx's workers are another user."""
    found = Path(tempfile.mkdtemp(prefix="otpn-"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found, ignore_errors=True)


@pytest.fixture(scope="module")
def nginx(running_stack, folder):
    """The example, without TLS, in a configuration of nginx's of its own."""
    port = free_port()
    site = replaced(
        (FOLDER / "nginx.conf").read_text(),
        ("server 127.0.0.1:8080;", f"server 127.0.0.1:{running_stack.port};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{port};"),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("    listen [::]:80;\n", ""),
    )
    site = re.sub(r"^    ssl_.*\n", "", site, flags=re.MULTILINE)
    temporary = "".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "site.conf").write_text(site)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ {temporary} include {folder}/site.conf; }}\n"
    )
    command = [independent("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with running(command, port):
        yield port


@pytest.fixture(scope="module")
def caddy(running_stack, folder):
    """The example, without TLS."""
    port = free_port()
    (folder / "Caddyfile").write_text(
        "{\n\tadmin off\n}\n"
        + replaced(
            (FOLDER / "Caddyfile").read_text(),
            ("\notp.example.com {", f"\nhttp://127.0.0.1:{port} {{"),
            ("reverse_proxy 127.0.0.1:8080", f"reverse_proxy 127.0.0.1:{running_stack.port}"),
        )
    )
    program = python_packages(ROOT / "tests/deploy/tools.lock") / "bin" / "caddy"
    command = [str(program), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    with running(command, port, XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder)):
        yield port


@pytest.fixture(params=["nginx", "caddy"])
def proxy(request):
    return request.getfixturevalue(request.param)


def test_it_is_known_from_where_somebody_calls_whatever_they_say(proxy, api):
    lies = {"X-Forwarded-For": CLAIMED, "Forwarded": f"for={CLAIMED}", "X-Real-IP": CLAIMED}
    body = json.dumps({"mode": "auto", "reason": "by a proxy"})
    status, text = call(proxy, "PUT", "/v1/ops/mode", body, **lies, **{"Content-Type": "application/json"})
    assert status == 200, text
    newest = api("GET", "/v1/ops/audit").json()["entries"][0]
    assert newest["origin"] == SOMEBODY
    assert CLAIMED not in json.dumps(api("GET", "/v1/ops/audit").json())


def test_a_login_goes_through_it_and_waits_in_it(proxy, api, person):
    status, text = call(
        proxy, "POST", "/v1/challenges", json.dumps({"user_id": person.id, "email": person.email}),
        **{"Content-Type": "application/json"},
    )  # fmt: skip
    assert status == 201, text
    began = time.monotonic()
    status, _ = call(proxy, "GET", f"/v1/challenges/{json.loads(text)['id']}?wait=1")
    assert (status, time.monotonic() - began >= 0.9) == (200, True)


def test_metrics_are_not_for_everybody_and_bodies_have_a_bound(proxy):
    assert call(proxy, "GET", "/metrics")[0] == 404
    assert call(proxy, "POST", "/v1/challenges", b"x" * 70_000)[0] == 413


def test_nginx_limits_tries_to_sign_in_by_address(nginx):
    answers = [call(nginx, "GET", "/console/sign-in")[0] for _ in range(12)]
    assert answers[0] != 429
    assert 429 in answers
    assert call(nginx, "GET", "/healthz")[0] == 200, "other pages have a limit of their own"


def test_nginx_takes_the_example_as_it_is(folder):
    """With its TLS, which the proxied calls above do without."""
    subprocess.run(
        [
            *(
                independent("openssl"),
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-subj", "/CN=otp.example.com", "-days", "1", "-keyout", str(folder / "privkey.pem")),
            *("-out", str(folder / "fullchain.pem")),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "whole.conf").write_text(
        replaced((FOLDER / "nginx.conf").read_text(), ("/etc/ssl/otp.example.com", str(folder)))
    )
    (folder / "main.conf").write_text(
        f"pid {folder}/pid2; error_log {folder}/e.log; events {{}} http {{ include {folder}/whole.conf; }}"
    )
    done = subprocess.run(
        [independent("nginx"), "-t", "-p", str(folder), "-c", str(folder / "main.conf")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_caddy_takes_the_example_as_it_is(folder):
    program = python_packages(ROOT / "tests/deploy/tools.lock") / "bin" / "caddy"
    done = subprocess.run(
        [program, "adapt", "--validate", "--config", FOLDER / "Caddyfile"],
        env={**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    formatted = subprocess.run(
        [program, "fmt", FOLDER / "Caddyfile"], capture_output=True, text=True, check=True
    )
    assert formatted.stdout == (FOLDER / "Caddyfile").read_text()
