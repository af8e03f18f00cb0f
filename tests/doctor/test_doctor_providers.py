"""`doctor` on Twilio (the sandbox, which answers as Twilio does), mail servers, certificates and pages."""

import pytest
import requests

from tests.support.stack import free_port


@pytest.fixture
def env(stack):
    return stack.env


@pytest.mark.parametrize(
    ("changed", "said", "mend"),
    [
        ({"TWILIO_AUTH_TOKEN": "hunter2"}, "refuses the credentials (20003)", "TWILIO_AUTH_TOKEN"),
        ({"TWILIO_ACCOUNT_SID": "AC" + "9" * 32}, "refuses the credentials (20003)", "TWILIO_ACCOUNT_SID"),
        (
            {"TWILIO_VERIFY_SERVICE_SID": "VA" + "9" * 32},
            "no such Verify service (20404)",
            "TWILIO_VERIFY_SERVICE_SID",
        ),
        ({"TWILIO_VERIFY_BASE_URL": f"http://127.0.0.1:{free_port()}"}, "can't be reached", "firewall"),
    ],
)
def test_twilio_settings_that_are_wrong(env, doctor, changed, said, mend):
    found = doctor({**env, **changed})
    assert (found["twilio"].level, found["twilio.code_length"].level, found.code) == ("fail", "skip", 1)
    assert said in found["twilio"].found
    assert mend in found["twilio"].mend
    assert "hunter2" not in found.text


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("suspended", "20005"),
        ("http_503", "20503"),
        ("malformed", "unreadable"),
        ("hang", "no answer within"),
    ],
)
def test_twilio_when_it_is_unwell(env, doctor, sandbox, kind, said):
    sandbox.fail(kind, operation="all")
    found = doctor(env)
    assert (found["twilio"].level, said in found["twilio"].found) == ("fail", True), found["twilio"]


def test_codes_of_another_length(env, doctor):
    found = doctor({**env, "OTP_TWILIO_CODE_LENGTH": "4"})
    assert (found["twilio.code_length"].level, found.code) == ("warn", doctor(env).code)
    assert "OTP_TWILIO_CODE_LENGTH=6" in found["twilio.code_length"].mend
    assert doctor({**env, "OTP_TWILIO_CUSTOM_CODE": "true"})["twilio.code_length"].level == "ok"


def test_nothing_is_sent(env, doctor, sandbox):
    doctor(env)
    counted = sandbox.counters()
    assert counted["service"]["total"] == 1
    assert counted["send"]["total"] == counted["check"]["total"] == 0
    assert counted["mail"]["total"] == 1  # the sender was named
    assert sandbox.messages() == []


def test_a_clock_that_twilio_does_not_share(env, monkeypatch):
    from service.core import clock
    from service.runtime.doctor.clocks import twilio
    from service.runtime.doctor.site import Site
    from service.settings import Settings

    for name, value in env.items():
        monkeypatch.setenv(name, value)
    levels = [
        twilio(Site(Settings.load(), clock=lambda ahead=ahead: clock() + ahead)).level
        for ahead in (0, 7_000, 90_000)
    ]
    assert levels == ["ok", "warn", "fail"]


def smtp(env, authority, port, *, login="shop:hunter2@", scheme="smtp", host="localhost"):
    return {
        **env,
        "SMTP_URL": f"{scheme}://{login}{host}:{port}",
        "MAIL_FROM": "Shop <login@shop.example>",
        "SSL_CERT_FILE": str(authority.file),
    }


def test_a_mail_server(env, doctor, authority, post_office):
    server = post_office(starttls=False)
    good = smtp(env, authority, server.port, scheme="smtps")
    found = doctor(good)
    assert (found["smtp"].level, found["certificate.smtp"].level) == ("ok", "ok"), found.text
    assert "364 days" in found["certificate.smtp"].found
    assert server.handler.mails == 0

    wrong = doctor({**good, "SMTP_URL": f"smtps://shop:wrong-one@localhost:{server.port}"})
    assert "refuses the login (535)" in wrong["smtp"].found
    assert "wrong-one" not in wrong.text
    other = doctor({**good, "MAIL_FROM": "else@shop.example"})
    assert "refuses mail from else@shop.example (553)" in other["smtp"].found
    assert "hunter2" not in found.text + other.text
    untrusted = doctor({**good, "SSL_CERT_FILE": "/dev/null"})
    assert "not trusted here" in untrusted["smtp"].found
    assert untrusted["certificate.smtp"].level == "ok"  # trust is the other check's
    plain = doctor({**good, "SMTP_URL": f"smtp://shop:hunter2@localhost:{server.port}"})
    assert plain["smtp"].level == "fail"


def test_starttls(env, doctor, authority, post_office, monkeypatch):
    server = post_office(days=10)
    # Names of this machine need no TLS, so one is made up for it.
    from service.providers import smtp as adapter
    from service.runtime.doctor import certificates, mail
    from service.runtime.doctor.site import Site
    from service.settings import Settings

    monkeypatch.setattr(adapter, "_LOOPBACK", set())
    for name, value in smtp(env, authority, server.port).items():
        monkeypatch.setenv(name, value)
    site = Site(Settings.load())
    assert mail.server(site).level == "ok"
    told = certificates.smtp(site)
    assert (told.level, "9 days" in told.found) == ("warn", True)


def test_a_mail_server_that_is_not_there(env, doctor):
    found = doctor({**env, "SMTP_URL": f"smtp://localhost:{free_port()}"})
    assert (found["smtp"].level, found["smtp"].found.endswith("can't be reached")) == ("fail", True)


def test_senders(env, doctor):
    assert doctor({**env, "MAIL_FROM": "otp-fallback <no-reply@localhost>"})["mail_from"].level == "warn"
    assert doctor({**env, "MAIL_FROM": "nobody"})["mail_from"].level == "fail"
    assert doctor(env)["mail_from"].level == "ok"


@pytest.mark.parametrize(
    ("days", "level", "said"), [(90, "ok", "89 days"), (20, "warn", "19 days"), (-2, "fail", "ended on")]
)
def test_certificates(env, doctor, authority, website, days, level, said):
    url = website('{"status": "ok"}', days)
    found = doctor(
        {
            **env,
            "OTP_PUBLIC_URL": url,
            "TWILIO_VERIFY_BASE_URL": url,
            "REQUESTS_CA_BUNDLE": str(authority.file),
        }
    )
    for name in ("certificate.public_url", "certificate.twilio"):
        assert (found[name].level, said in found[name].found) == (level, True), found[name]
    assert found["public_url"].level == ("fail" if days < 0 else "ok")
    assert found["twilio"].level == "fail"
    assert f"({'tls' if days < 0 else 'unreadable'})" in found["twilio"].found


def test_the_certificate_of_redis(env, doctor, website):
    place = website("", 10).removeprefix("https://")
    found = doctor({**env, "REDIS_URL": f"rediss://:hunter2@{place}/0"})
    assert (found["certificate.redis"].level, "9 days" in found["certificate.redis"].found) == ("warn", True)
    assert found["redis"].level == "fail"  # nobody speaks Redis there, and its authority is unknown here
    assert "hunter2" not in found.text


def test_a_public_url_that_leads_elsewhere(stack, env, doctor, website):
    assert doctor({**env, "OTP_PUBLIC_URL": website("Welcome")})["public_url"].level == "fail"
    assert doctor({**env, "OTP_PUBLIC_URL": f"http://127.0.0.1:{free_port()}"})["public_url"].level == "fail"
    assert requests.get(f"{stack.url}/healthz", timeout=5).json() == {"status": "ok"}
    found = doctor({**env, "OTP_PUBLIC_URL": stack.url})
    assert found["public_url"].level == "warn"  # no TLS
    assert found["public_url.twilio_api"].level == "ok"
    found = doctor({**env, "OTP_PUBLIC_URL": website('{"status": "ok"}')})
    assert found["public_url.twilio_api"].level == "warn"
    found = doctor(env)
    assert (found["public_url"].level, found["public_url.twilio_api"].level) == ("skip", "skip")
