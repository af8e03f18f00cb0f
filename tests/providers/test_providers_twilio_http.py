"""How Twilio is called: what is sent, whose certificates are believed, by which proxy."""

import ssl
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from urllib3.exceptions import SSLError

from service.domain.failures import CheckFailure
from service.process import begin
from service.providers.twilio_http import ProxyUnusable, TwilioHttp
from service.providers.twilio_verify import TwilioAccount, TwilioVerify
from service.runtime.doctor.examination import Check, examine
from service.runtime.doctor.site import Site
from service.runtime.doctor.twilio import service as looked_at
from service.settings import Settings
from tests.support.certificates import Authority
from tests.support.stack import ACCOUNT, SERVICE, TOKEN, Stack

SECRET = "p%40ss-of-the-proxy"


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """No proxy and no bundle but a test's own."""
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def listen():
    """Starts a server; what it was asked is in its `asked`: path, headers, body."""
    servers = []

    def start(certificate=None, status=200, **headers):
        class Answer(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                server.asked.append((self.path, self.headers, body))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": "2"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        server.asked = []
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def post(http, url, **kwargs):
    return http.request("POST", url, data={"To": "+1 415", "Code": "1"}, auth=("AC1", "t:n"), **kwargs)


def test_what_is_sent_and_no_redirect_is_followed(listen):
    elsewhere = listen()
    server = listen(status=307, Location=f"http://127.0.0.1:{elsewhere.server_port}/")
    url = f"http://127.0.0.1:{server.server_port}"
    answer = post(TwilioHttp(url), f"{url}/v2/x", headers={"User-Agent": "sdk"}, params={"PageSize": 1})
    assert (answer.status_code, answer.text) == (307, "{}")
    [(path, headers, body)] = server.asked
    assert (path, body, headers["User-Agent"]) == ("/v2/x?PageSize=1", b"To=%2B1+415&Code=1", "sdk")
    assert headers["Authorization"] == "Basic " + b64encode(b"AC1:t:n").decode()
    assert elsewhere.asked == []


def test_whose_certificate_is_believed(listen, tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    server = listen(authority.issue(30))
    url = f"https://localhost:{server.server_port}"
    with pytest.raises(SSLError):  # nobody whom we know speaks for it
        post(TwilioHttp(url), url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.file))
    assert post(TwilioHttp(url), url).status_code == 200
    of_another = listen(authority.issue(30, "other.example"))
    with pytest.raises(SSLError):
        post(TwilioHttp(url), f"https://localhost:{of_another.server_port}")
    assert of_another.asked == []
    verify = TwilioVerify(
        TwilioAccount(ACCOUNT, TOKEN, SERVICE, f"https://localhost:{of_another.server_port}")
    )
    with pytest.raises(CheckFailure, match="tls"):
        verify.look_up(deadline=5)


@pytest.mark.parametrize(
    ("before", "password"), [(f"http://me:{SECRET}@", "me:p@ss-of-the-proxy"), ("", None)]
)
def test_by_a_proxy(listen, monkeypatch, before, password):
    proxy, server = listen(), listen()
    monkeypatch.setenv("HTTP_PROXY", f"{before}127.0.0.1:{proxy.server_port}")
    url = f"http://twilio.example:{server.server_port}"
    assert post(TwilioHttp(url), f"{url}/v2").status_code == 200
    [(path, headers, _)] = proxy.asked
    assert path == f"{url}/v2"
    assert headers["Proxy-Authorization"] == (
        "Basic " + b64encode(password.encode()).decode() if password else None
    )
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    url = f"http://127.0.0.1:{server.server_port}"
    assert post(TwilioHttp(url), url).status_code == 200
    assert (len(proxy.asked), len(server.asked)) == (1, 1)


def test_a_proxy_that_can_not_be_used_is_named_and_no_password_is(monkeypatch, capsys):
    stack = Stack()
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HTTP_PROXY", f"socks5://me:{SECRET}@127.0.0.1:1")
    with pytest.raises(ProxyUnusable, match="http://host:port"):
        TwilioHttp(stack.env["TWILIO_VERIFY_BASE_URL"])
    found = examine(Site(Settings.load()), [Check("twilio", looked_at)])["twilio"]
    assert (found.level, "http://host:port" in found.found) == ("fail", True)
    stack.start_valkey()
    try:
        with pytest.raises(SystemExit):
            begin()
    finally:
        stack.stop()
    said = capsys.readouterr()
    assert "http://host:port" in said.out + said.err
    assert SECRET not in said.out + said.err + found.found
