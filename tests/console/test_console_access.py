"""Who may sit at the console, and what nobody may make it do from elsewhere."""

import json

import pytest

from tests.support.commands import otp_fallback

PAGES = ["", "/mode", "/incidents", "/drills", "/users", "/webhooks", "/audit"]
ACTIONS = [
    "/mode",
    "/drills",
    "/drills/dr_1/stop",
    "/incidents/inc_1",
    "/users",
    "/users/reset",
    "/sign-out",
    "/webhooks/wh_1/test",
    "/webhooks/wh_1/replay",
]


def make_key(stack, *scopes):
    words = [word for scope in scopes for word in ("--scope", scope)]
    done = otp_fallback(stack.env, "keys", "create", "--name", "Ada", *words, "--json", check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("path", [*PAGES, "/incidents/inc_1", "/drills/dr_1", "/webhooks/wh_1", "/live"])
def test_nothing_is_shown_to_strangers(desk, path):
    answer = desk().get(path, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/sign-in")


@pytest.mark.parametrize("path", ACTIONS)
def test_nothing_is_done_for_strangers(desk, api, path):
    before = api("GET", "/v1/ops/mode").json()
    visitor = desk()
    answer = visitor.session.post(
        f"{visitor.url}/console{path}", data={"mode": "fallback"}, allow_redirects=False, timeout=20
    )
    assert answer.status_code == 303
    assert api("GET", "/v1/ops/mode").json() == before


@pytest.mark.parametrize(
    ("path", "where"), [("/users/reset", "/users"), ("/drills/dr_1/stop", "/drills"), ("/sign-out", "")]
)
def test_a_restored_tab(signed_in, path, where):
    answer = signed_in.get(path, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/console{where}")


def test_a_form_sent_too_late_says_so(desk):
    assert "nothing was changed" in desk().post("/mode", mode="fallback").text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens(signed_in, path):
    answer = signed_in.get(path)
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_wrong_keys(desk, stack):
    visitor = desk()
    assert visitor.sign_in("otpk_wrong").status_code == 401
    assert visitor.sign_in("").status_code == 401
    assert visitor.sign_in(make_key(stack, "challenges", "enrollments")["key"]).status_code == 403
    assert "otp_console" not in visitor.session.cookies


def test_guessing_is_slowed(desk, stack):
    visitor = desk()
    answers = [visitor.sign_in(f"guess-{n}").status_code for n in range(40)]
    assert set(answers) == {401, 429}
    assert answers == sorted(answers)
    assert visitor.sign_in().status_code == 429  # of right ones, too
    elsewhere = desk()
    elsewhere.session.headers["X-Forwarded-For"] = "203.0.113.9"  # as our proxy says
    assert elsewhere.sign_in().status_code == 200
    assert "203.0.113.9" in elsewhere.get("/audit").text
    for name in stack.redis().scan_iter("otp:*:s:t*", count=10_000):
        stack.redis().delete(name)  # a minute later
    assert visitor.sign_in().status_code == 200


def test_the_cookie_is_kept_from_scripts_and_other_paths(desk):
    visitor = desk()
    visitor.sign_in()
    (cookie,) = visitor.session.cookies
    assert cookie.path == "/console"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"


def test_neither_key_nor_cookie_can_be_read_in_redis(signed_in, stack):
    (cookie,) = signed_in.session.cookies
    assert cookie.value not in stack.everything_stored()


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize("token", [None, "", "0" * 24])
def test_forms_without_their_token_do_nothing(signed_in, api, path, token):
    before = api("GET", "/v1/ops/mode").json()
    fields = {"mode": "fallback", "reason": "x", "confirmed": "yes", "version": "0"}
    if token is not None:
        fields["form_token"] = token
    assert signed_in.post(path, **fields).status_code == 403
    assert api("GET", "/v1/ops/mode").json() == before
    assert signed_in.get().status_code == 200  # nor was anybody signed out


def test_another_sites_form_does_nothing(signed_in, desk):
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        answer = signed_in.session.post(
            f"{signed_in.url}/console/mode",
            data={"form_token": signed_in.token(), "mode": "fallback"}, headers=headers, timeout=20,
        )  # fmt: skip
        assert answer.status_code == 403
        visitor = desk()  # nor does it sign anybody in, into an account of the attacker's choice
        answer = visitor.session.post(
            f"{visitor.url}/console/sign-in", data={"key": "x"}, headers=headers, timeout=20
        )
        assert answer.status_code == 403


def test_another_sessions_token_is_no_good(signed_in, desk):
    other = desk()
    other.sign_in()
    assert signed_in.post("/mode", form_token=other.token(), mode="fallback").status_code == 403


def test_who_may_only_look(desk, stack, api):
    visitor = desk()
    key = make_key(stack, "ops:read")["key"]
    assert visitor.sign_in(key).status_code == 200
    for path in PAGES:
        text = visitor.get(path).text
        assert "may only look" in text
        assert 'action="/console/mode"' not in text
        assert 'action="/console/drills"' not in text
    fields = {"mode": "fallback", "reason": "x", "confirmed": "yes", "version": "0"}
    for path in (*ACTIONS[:4], "/users/reset", *ACTIONS[-2:]):
        assert visitor.send(path, **fields).status_code == 403
    assert (
        visitor.send("/users", user_id="nobody", application="default").status_code == 404
    )  # looking up is looking
    # The API knows the same difference.
    headers = {"Authorization": f"Bearer {key}"}
    assert visitor.session.get(f"{stack.url}/v1/ops/mode", headers=headers, timeout=9).status_code == 200
    body = {"mode": "fallback", "reason": "x"}
    answer = visitor.session.put(f"{stack.url}/v1/ops/mode", json=body, headers=headers, timeout=9)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert (
        visitor.session.get(f"{stack.url}/v1/users/x/factors", headers=headers, timeout=9).status_code == 403
    )


def test_leaving_ends_the_session_on_the_server_too(signed_in, desk):
    cookies = dict(signed_in.session.cookies)
    signed_in.send("/sign-out")
    thief = desk()
    thief.session.cookies.update(cookies)
    assert thief.get(allow_redirects=False).status_code == 303


def test_signing_in_again_ends_the_session_from_before(signed_in, desk):
    former = dict(signed_in.session.cookies)
    assert signed_in.sign_in().status_code == 200
    assert dict(signed_in.session.cookies) != former
    thief = desk()
    thief.session.cookies.update(former)
    assert thief.get(allow_redirects=False).status_code == 303
    assert signed_in.get(allow_redirects=False).status_code == 200


def test_a_revoked_key_ends_its_sessions(desk, stack):
    key, visitor = make_key(stack, "ops"), desk()
    visitor.sign_in(key["key"])
    assert visitor.get(allow_redirects=False).status_code == 200
    otp_fallback(stack.env, "keys", "revoke", key["id"], check=True)
    from tests.support.stack import wait_until

    wait_until(lambda: visitor.get(allow_redirects=False).status_code == 303, 20)


def session_key(stack):
    names = [n for n in stack.redis().scan_iter("otp:*:s:*", count=10_000) if b":s:t" not in n]
    assert len(names) == 1
    return names[0]


def test_idle_means_that_nobody_looks(desk, stack):
    client = stack.redis()
    for name in client.scan_iter("otp:*:s:*", count=10_000):
        client.delete(name)
    visitor = desk()
    visitor.sign_in()
    name = session_key(stack)
    client.pexpire(name, 9000)
    assert visitor.get(headers={"X-Follow": "1"}).status_code == 200  # the page by itself
    assert client.pttl(name) <= 9000
    assert visitor.get().status_code == 200  # a person
    assert client.pttl(name) > 1_700_000
    client.delete(name)  # as after half an hour
    assert visitor.get(allow_redirects=False).status_code == 303
    assert visitor.get(headers={"X-Follow": "1"}, allow_redirects=False).status_code == 401


def test_no_session_outlives_half_a_day(desk, stack):
    client = stack.redis()
    for name in client.scan_iter("otp:*:s:*", count=10_000):
        client.delete(name)
    visitor = desk()
    visitor.sign_in()
    name = session_key(stack)
    session = json.loads(client.get(name))
    client.set(name, json.dumps({**session, "began": session["began"] - 12 * 3_600_000 - 1}))
    assert visitor.get(allow_redirects=False).status_code == 303


def test_signing_in_is_in_the_trail(signed_in):
    assert "console.sign_in" in signed_in.get("/audit").text
