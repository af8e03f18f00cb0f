"""The allow-list of addresses to return to: compared by parts, deaf to tricks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.return_urls import LOOPBACK, parse_return_urls, with_result

SHOP = parse_return_urls(
    "https://shop.example/login, https://id.shop.example:8443,http://localhost:3000/back"
)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/login",
        "https://shop.example/login/",
        "https://shop.example/login/done?next=%2Fcart&a=1",
        "https://shop.example:443/login",
        "https://SHOP.example/login",
        "https://id.shop.example:8443",
        "https://id.shop.example:8443/anything/below",
        "http://localhost:3000/back/1",
    ],
)
def test_allowed(url):
    assert SHOP.allow(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/",
        "https://shop.example/login2",
        "https://shop.example/Login",
        "http://shop.example/login",
        "https://shop.example:444/login",
        "https://shop.example.evil.example/login",
        "https://evil.example/https://shop.example/login",
        "https://shop.example@evil.example/login",
        "https://evil.example#@shop.example/login",
        "https://evil.example\\@shop.example/login",
        "https://shop.example\\.evil.example/login",
        "https://shop.example/login/../admin",
        "https://shop.example/login/%2e%2e/admin",
        "https://shop.example/login/..%2fadmin",
        "https://shop.example/login/.",
        "//shop.example/login",
        "/login",
        "javascript:alert(1)",
        "data:text/html,x",
        "https:shop.example/login",
        "https:///shop.example/login",
        " https://shop.example/login",
        "https://shop.example/login\n",
        "https://shop.example/login\t/x",
        "https://shop.example/login/\u0000",
        "https://shöp.example/login",
        "https://shop.example:x/login",
        "https://[shop.example/login",
        "https://shop.example/login#top",
        "https://shop.example/login?",
        "https://shop.example/login?status=approved",
        "https://shop.example/login?a=1&proof=",
        "https://shop.example:0/login",
        "https://shop.example/login;script-src *",
        "https://id.shop.example/",
        "http://127.0.0.1:3000/back",
        "",
    ],
)
def test_refused(url):
    assert not SHOP.allow(url)


def test_in_development_this_machine_is_allowed_on_any_port_and_nothing_else():
    assert LOOPBACK.allow("http://127.0.0.1:5173/done")
    assert LOOPBACK.allow("http://localhost/done")
    assert LOOPBACK.allow("http://[::1]:8000/")
    assert not LOOPBACK.allow("http://127.0.0.1.evil.example/done")
    assert not LOOPBACK.allow("https://evil.example")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "shop.example",
        "http://shop.example",
        "https://",
        "https://shop.example/?a=1",
        "ftp://a.example",
    ],
)
def test_what_is_no_list(text):
    with pytest.raises(ValueError, match="expected"):
        parse_return_urls(text)


@given(st.text())
def test_no_text_upsets_it_and_none_leads_elsewhere(text):
    url = f"https://shop.example{text}"
    if SHOP.allow(url):
        assert url.lower().startswith(("https://shop.example/login", "https://shop.example:443/login"))


def test_the_result_joins_what_is_there():
    assert with_result("https://a.example/x", {"status": "approved"}) == "https://a.example/x?status=approved"
    assert with_result("https://a.example/x?n=1", {"p": "a b&c"}) == "https://a.example/x?n=1&p=a+b%26c"
