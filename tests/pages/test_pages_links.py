"""Links: signed, opened once, by one browser; pages that nobody can frame, forge or read on the way."""

import concurrent.futures
import re

import pytest
import requests

from tests.support.visitor import Visitor

ACCOUNT = "/v1/users/{}/link"


@pytest.fixture
def link(api, person):
    answer = api("POST", ACCOUNT.format(person.id), {})
    assert answer.status_code == 201
    return answer.json()["account_url"]


def visitors(stack, number):
    return [Visitor(stack.url) for _ in range(number)]


@pytest.mark.parametrize("kind", ["enroll", "c", "account"])
def test_what_is_no_link_is_one_page_for_all(stack, kind):
    for token in ("xyzzy", "lk_00" + "A" * 22, "lk_00" + "A" * 22 + ".01" + "A" * 22, "a" * 2000, "lk_%00.x"):
        answer = requests.get(f"{stack.url}/{kind}/{token}", timeout=5)
        assert answer.status_code == 404, token
        assert "This link does not work" in answer.text
        assert token not in answer.text


def test_a_signature_is_for_one_page_and_one_link(stack, api, person, link):
    other = api("POST", ACCOUNT.format(person.id), {}).json()["account_url"]
    link_id, signature = link.rpartition("/")[2].split(".")
    for address in (
        f"{stack.url}/enroll/{link_id}.{signature}",
        f"{stack.url}/account/{link_id}.{other.rpartition('.')[2]}",
        f"{stack.url}/account/{link_id}",
        f"{stack.url}/account/{link_id}.",
    ):
        assert requests.get(address, timeout=5).status_code == 404
    assert requests.get(link, timeout=5).status_code == 200  # none of that used it up


def test_it_opens_once_and_again_only_where_it_was_opened(stack, link):
    first, second = visitors(stack, 2)
    assert first.open(link).answer.status_code == 200
    assert first.answer.history[0].status_code == 303
    assert link.rpartition("/")[2] not in first.answer.url
    refused = second.open(link).answer
    assert refused.status_code == 410
    assert "opened before" in refused.text
    assert first.open(link).answer.status_code == 200
    # The address that stays in the history is good for nothing elsewhere.
    assert second.open(first.answer.url).answer.status_code == 404


def test_of_many_at_once_one_opens_it(stack, link):
    crowd = visitors(stack, 12)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(lambda visitor: visitor.open(link).answer.status_code, crowd))
    assert sorted(statuses) == [200] + [410] * 11


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"},
        {"Purpose": "prefetch"},
        {"User-Agent": "Slackbot-LinkExpanding 1.0"},
        {"User-Agent": "WhatsApp/2.23"},
        {"User-Agent": "facebookexternalhit/1.1"},
    ],
)
def test_looking_ahead_does_not_use_it_up(stack, link, headers):
    ahead = requests.get(link, headers=headers, timeout=5)
    assert ahead.status_code == 200
    assert "Set-Cookie" not in ahead.headers
    assert requests.head(link, timeout=5).status_code == 200
    assert requests.get(link, timeout=5).history[0].status_code == 303


def test_whoever_presses_the_button_gets_in(stack, link):
    visitor = Visitor(stack.url)
    visitor.session.headers["User-Agent"] = "Mozilla/5.0 (Linux; Android 9; Some-bot Phone; wv)"
    visitor.open(link)
    assert visitor.answer.history == []
    visitor.send(link.rpartition("/")[2])
    assert "Your ways to sign in" in visitor.text
    cubot = requests.get(link, headers={"User-Agent": "Mozilla/5.0 (Linux; CUBOT NOTE 20; wv)"}, timeout=5)
    assert cubot.status_code == 410  # taken for a person, who comes second


def test_headers(stack, link):
    opened = requests.get(link, timeout=5)
    cookie = opened.history[0].headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Path=/account" in cookie
    for answer in (*opened.history, opened, requests.get(f"{stack.url}/account/nothing", timeout=5)):
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
    policy = opened.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=|<style", opened.text)


def test_a_secure_cookie_where_users_come_by_https():
    from tests.support.stack import running

    with running(OTP_PUBLIC_URL="https://login.example") as stack:
        made = stack.api("POST", ACCOUNT.format("zoe"), {}).json()["account_url"]
        assert made.startswith("https://login.example/account/lk_")
        opened = requests.get(
            stack.url + made.removeprefix("https://login.example"), allow_redirects=False, timeout=5
        )
        assert "; Secure" in opened.headers["Set-Cookie"]


def test_a_form_counts_only_from_its_page(stack, api, person):
    api.enroll(person.id)
    link = api("POST", ACCOUNT.format(person.id), {}).json()["account_url"]
    visitor = Visitor(stack.url).open(link)
    here = visitor.answer.url
    token = visitor.hidden()["form_token"]
    post = visitor.session.post
    for headers, given in (
        ({}, ""),
        ({}, token[:-1] + ("A" if token[-1] != "A" else "B")),
        ({"Origin": "https://evil.example"}, token),
        ({"Origin": "http://["}, token),
        ({"Sec-Fetch-Site": "cross-site"}, token),
        ({"Sec-Fetch-Site": "same-site"}, token),
    ):
        answer = post(
            f"{here}/backup-codes",
            data={"form_token": given},
            headers=headers,
            timeout=5,
            allow_redirects=False,
        )
        assert answer.status_code == 403, (headers, given)
    stranger = requests.post(f"{here}/backup-codes", data={"form_token": token}, timeout=5)
    assert stranger.status_code == 404
    assert api("GET", f"/v1/users/{person.id}/factors").json()["backup_codes"]["remaining"] == 10
    assert post(
        f"{here}/backup-codes",
        data={"form_token": token},
        headers={"Origin": "null"},
        timeout=5,
    ).ok


def test_a_return_url_must_be_allowed(api, sandbox, person, shop):
    for path, body in (
        ("/v1/enrollments", {"user_id": person.id}),
        ("/v1/challenges", {"user_id": person.id, "phone": person.phone}),
        (ACCOUNT.format(person.id), {}),
    ):
        for bad in ("https://evil.example/", f"{shop.url}x", "javascript:alert(1)", "/account/s/x", ""):
            answer = api("POST", path, {**body, "return_url": bad})
            assert answer.status_code == 422, (path, bad)
            assert answer.json()["errors"][0]["field"] == "return_url"
        assert api("POST", path, {**body, "return_url": shop.back}).status_code == 201
    assert sandbox.count("send") == 1  # nothing was sent for what was refused


def test_no_link_or_cookie_can_be_read_in_redis_or_in_the_logs(stack, api, person):
    link = api("POST", ACCOUNT.format(person.id), {}).json()["account_url"]
    visitor = Visitor(stack.url).open(link)
    cookie = next(iter(visitor.session.cookies)).value
    stored = stack.everything_stored()
    signature = link.rpartition(".")[2]
    for secret in (signature, cookie, person.id, visitor.hidden().get("form_token", signature)):
        assert secret not in stored
    assert link.rpartition("/")[2].split(".")[0][5:] in stored  # the search does find what is there
    logs = stack.web.text()
    assert signature not in logs
    assert cookie not in logs


def test_assets_are_kept_for_good_and_small(stack, link):
    html = requests.get(link, timeout=5).text
    names = re.findall(r'(?:href|src)="(/assets/[^"]+)"', html)
    assert len(names) == 4
    total = len(html.encode())
    for name in names:
        answer = requests.get(stack.url + name, timeout=5)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
        total += len(answer.content)
    assert total < 60 * 1024
    assert requests.get(f"{stack.url}/assets/ui.000000000000.css", timeout=5).status_code == 404
    assert "//" not in html.replace("<!doctype html>", "").replace(stack.url, "")  # nothing from elsewhere


def test_when_redis_is_away_a_page_says_so_and_recovers(stack, link):
    import signal

    visitor = Visitor(stack.url).open(link)
    stack.valkey.popen.send_signal(signal.SIGSTOP)
    try:
        answer = visitor.open(visitor.answer.url).answer
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "Not available right now" in answer.text
    finally:
        stack.valkey.popen.send_signal(signal.SIGCONT)
    assert visitor.open(answer.url).answer.status_code == 200
