"""Every setting: its default, its form, what is said when it is malformed."""

import base64
from ipaddress import ip_address

import pytest
from pydantic import SecretStr

from service.domain.master_keys import parse_master_keys
from service.settings import Settings, SettingsError

KEY = base64.b64encode(b"k" * 32).decode()
TWILIO = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "token-4711",
    "TWILIO_VERIFY_SERVICE_SID": "VA" + "0" * 32,
}
PRODUCTION = {
    **TWILIO,
    "OTP_ENV": "production",
    "OTP_MASTER_KEYS": f"k1:{KEY}",
    "OTP_PUBLIC_URL": "https://otp.example",
}


@pytest.fixture
def load(monkeypatch):
    for name in list(__import__("os").environ):
        if name.startswith(("OTP_", "TWILIO_", "REDIS_", "SMTP_", "MAIL_")):
            monkeypatch.delenv(name)

    def with_(**env):
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return Settings.load()

    return with_


def test_defaults(load):
    s = load()
    assert (s.env, s.host, s.port) == ("development", "127.0.0.1", 8080)
    assert s.workers >= 1
    assert str(s.data_dir) == "var"
    assert (s.send_deadline, s.delivery_deadline, s.challenge_ttl) == (3, 20, 600)
    assert s.twilio_verify_base_url == "https://verify.twilio.com"
    assert s.twilio_custom_code is False
    assert (s.redis_url, s.smtp_url, s.master_keys, s.bootstrap_api_key, s.public_url) == (None,) * 5
    assert s.uses_sandbox_twilio
    assert s.uses_sandbox_mail
    assert s.uses_embedded_redis


def test_an_empty_variable_is_unset(load):
    s = load(REDIS_URL="", TWILIO_ACCOUNT_SID=" ", OTP_PUBLIC_URL="", OTP_MASTER_KEYS="", SMTP_URL="")
    assert s.uses_embedded_redis
    assert s.uses_sandbox_twilio
    assert s.master_keys is None


@pytest.mark.parametrize(
    ("name", "value", "attribute", "parsed"),
    [
        ("OTP_PORT", "9000", "port", 9000),
        ("OTP_WORKERS", "3", "workers", 3),
        ("OTP_SEND_DEADLINE", "0.5", "send_deadline", 0.5),
        ("OTP_CHALLENGE_TTL", "120", "challenge_ttl", 120),
        ("OTP_TWILIO_CUSTOM_CODE", "true", "twilio_custom_code", True),
        ("OTP_PUBLIC_URL", "https://otp.example/", "public_url", "https://otp.example"),
        ("TWILIO_VERIFY_BASE_URL", "http://127.0.0.1:1/", "twilio_verify_base_url", "http://127.0.0.1:1"),
    ],
)
def test_forms(load, name, value, attribute, parsed):
    assert getattr(load(**{name: value}), attribute) == parsed


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost", "redis://u:p@h:1/2", "rediss://h", "unix:///run/x.sock",
        "redis+sentinel://a:1,b:2/main", "redis+cluster://a:1,b:2",
    ],
)  # fmt: skip
def test_redis_urls(load, url):
    assert load(REDIS_URL=url).redis_url.get_secret_value() == url


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTP_ENV", "prod"),
        ("OTP_BRAND_COLOR", "red"),
        ("OTP_RETURN_URLS", "http://shop.example/"),
        ("OTP_RETURN_URLS", "shop.example"),
        ("OTP_PORT", "http"),
        ("OTP_PORT", "70000"),
        ("OTP_WORKERS", "0"),
        ("OTP_SEND_DEADLINE", "0"),
        ("OTP_SEND_DEADLINE", "60"),
        ("OTP_SEND_DEADLINE", "nan"),
        ("OTP_DELIVERY_DEADLINE", "-1"),
        ("OTP_CHALLENGE_TTL", "601"),
        ("OTP_CHALLENGE_TTL", "soon"),
        ("OTP_PUBLIC_URL", "otp.example"),
        ("OTP_PUBLIC_URL", "ftp://otp.example"),
        ("REDIS_URL", "http://user:hunter2@h"),
        ("REDIS_URL", "redis://:hunter2@h:port"),
        ("SMTP_URL", "mail.example:hunter2"),
        ("SMTP_URL", "smtp://"),
        ("TWILIO_VERIFY_BASE_URL", "verify.twilio.com"),
        ("OTP_TWILIO_CUSTOM_CODE", "perhaps"),
        ("OTP_ISSUER", ""),
        ("OTP_ALERT_URLS", "json://127.0.0.1/ hunter2"),
        ("OTP_ALERT_URLS", "hunter2@slack"),
        ("OTP_RUNBOOK_URL", "wiki.example"),
        ("OTP_PRIVATE_HOOKS", "10.1.0.0/33"),
        ("OTP_PRIVATE_HOOKS", "https://hooks.internal"),
        ("OTP_MASTER_KEYS", "hunter2"),
        ("OTP_MASTER_KEYS", "k1:hunter2"),
        ("OTP_MASTER_KEYS", f"k1:{KEY},k1:{KEY}"),
        ("OTP_MASTER_KEYS", f"k 1:{KEY}"),
    ],
)
def test_a_malformed_setting_is_one_line_that_names_it_and_tells_no_secret(load, name, value):
    with pytest.raises(SettingsError) as caught:
        load(**{name: value})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{name}: ")
    assert "hunter2" not in line
    assert KEY not in line


def test_several_are_a_line_each(load):
    with pytest.raises(SettingsError) as caught:
        load(OTP_PORT="x", OTP_WORKERS="y")
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["OTP_PORT", "OTP_WORKERS"]


@pytest.mark.parametrize("missing", TWILIO)
def test_twilio_needs_all_of_its_settings(load, missing):
    with pytest.raises(SettingsError, match=missing):
        load(**{name: value for name, value in TWILIO.items() if name != missing})


@pytest.mark.parametrize(
    ("name", "value"), [("TWILIO_ACCOUNT_SID", "XX1"), ("TWILIO_VERIFY_SERVICE_SID", "AC1")]
)
def test_twilio_ids(load, name, value):
    with pytest.raises(SettingsError, match=name):
        load(**{**TWILIO, name: value})


def test_production(load):
    s = load(**PRODUCTION)
    assert not s.uses_sandbox_twilio
    assert not s.uses_sandbox_mail


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (dict.fromkeys(TWILIO, ""), "TWILIO_ACCOUNT_SID"),
        ({"OTP_MASTER_KEYS": ""}, "OTP_MASTER_KEYS"),
        ({"OTP_PUBLIC_URL": ""}, "OTP_PUBLIC_URL"),
        ({"OTP_PUBLIC_URL": "http://otp.example"}, "OTP_PUBLIC_URL"),
    ],
)
def test_production_refuses_what_is_for_development(load, change, named):
    with pytest.raises(SettingsError, match=named):
        load(**PRODUCTION | change)


def test_secrets_are_not_shown(load):
    s = load(**PRODUCTION, OTP_BOOTSTRAP_API_KEY="bootstrap-4711", REDIS_URL="redis://:redis-4711@h")
    shown = repr(s) + str(s)
    assert "4711" not in shown
    assert KEY not in shown
    assert isinstance(s.twilio_auth_token, SecretStr)


def test_master_keys():
    urlsafe = base64.urlsafe_b64encode(b"\xff" * 32).decode().rstrip("=")
    keys = parse_master_keys(f" k2:{KEY} , old-1:{urlsafe},")
    assert list(keys.items()) == [("k2", b"k" * 32), ("old-1", b"\xff" * 32)]
    for text in ("", ",", "k1", f"k1:{KEY[:-8]}", "k1:!!!!"):
        with pytest.raises(ValueError, match=r"expected|has|base64"):
            parse_master_keys(text)


def test_where_pages_may_return_to(load):
    assert load().allowed_return_urls.allow("http://127.0.0.1:3000/back")
    assert not load().allowed_return_urls.allow("https://shop.example/")
    s = load(OTP_RETURN_URLS="https://shop.example/login")
    assert s.allowed_return_urls.allow("https://shop.example/login/done")
    assert not s.allowed_return_urls.allow("http://127.0.0.1:3000/back")
    assert not load(OTP_RETURN_URLS="", **PRODUCTION).allowed_return_urls.allow("http://127.0.0.1:3000/back")


def test_which_private_hosts_webhooks_may_reach(load):
    loopback, inside = ip_address("127.0.0.1"), ip_address("10.1.2.3")
    assert load().allowed_private_hooks.allow("localhost", loopback)
    assert not load().allowed_private_hooks.allow("hooks.internal", inside)
    s = load(OTP_PRIVATE_HOOKS="10.1.0.0/16")
    assert s.allowed_private_hooks.allow("hooks.internal", inside)
    assert not s.allowed_private_hooks.allow("localhost", loopback)
    assert not load(OTP_PRIVATE_HOOKS="", **PRODUCTION).allowed_private_hooks.allow("localhost", loopback)


def test_where_alerts_go_is_a_secret(load):
    s = load(OTP_ALERT_URLS="slack://hunter2/a/b\n json://127.0.0.1/x")
    assert "hunter2" not in repr(s)
    assert s.alert_urls.get_secret_value().split()[1] == "json://127.0.0.1/x"


def test_a_logo_must_be_there_and_light(load, tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg/>")
    assert load(OTP_BRAND_LOGO=str(logo)).brand_logo == logo
    heavy = tmp_path / "heavy.png"
    heavy.write_bytes(b"x" * 40_000)
    for bad in (tmp_path / "none.svg", heavy, tmp_path / "logo.gif"):
        with pytest.raises(SettingsError, match="OTP_BRAND_LOGO: "):
            load(OTP_BRAND_LOGO=str(bad))


def test_a_password_that_makes_no_url_is_not_quoted(load):
    for name in ("REDIS_URL", "SMTP_URL"):
        with pytest.raises(SettingsError, match=f"{name}: not a URL") as caught:
            load(**{name: f"{'redis' if name == 'REDIS_URL' else 'smtp'}://:hunter2/x@host:1"})
        assert "hunter2" not in str(caught.value)


def test_production_names_every_fault(load):
    with pytest.raises(SettingsError) as caught:
        load(OTP_ENV="production", TWILIO_ACCOUNT_SID="AC1")
    lines = str(caught.value).splitlines()
    for name in ("TWILIO_AUTH_TOKEN", "OTP_MASTER_KEYS", "OTP_PUBLIC_URL"):
        assert sum(name in line.partition(" must ")[0] for line in lines) >= 1
    assert len(lines) == 3


def test_master_keys_come_from_one_place(load):
    with pytest.raises(
        SettingsError, match="OTP_MASTER_KEYS_FILE and OTP_MASTER_KEYS_COMMAND are set: set one"
    ):
        load(OTP_MASTER_KEYS_FILE="/run/keys", OTP_MASTER_KEYS_COMMAND="vault read")
    with pytest.raises(SettingsError, match="OTP_MASTER_KEYS and OTP_MASTER_KEYS_FILE and"):
        load(OTP_MASTER_KEYS=f"k1:{KEY}")


def test_a_command_line_has_to_be_one(load):
    with pytest.raises(SettingsError, match="OTP_MASTER_KEYS_COMMAND: not a command line") as caught:
        load(OTP_MASTER_KEYS_COMMAND="vault 'hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["OTP_MASTER_KEYS_FILE", "OTP_MASTER_KEYS_COMMAND"])
def test_production_takes_master_keys_by_each_way(load, monkeypatch, name):
    kept = {key: value for key, value in PRODUCTION.items() if key != "OTP_MASTER_KEYS"}
    assert load(**kept, **{name: "/run/keys"}).master_keys_given == [name]


def test_keys_may_stand_in_lines():
    other = base64.b64encode(b"o" * 32).decode()
    assert list(parse_master_keys(f"k2:{KEY}\r\n\nk1:{other},\n")) == ["k2", "k1"]
