"""`doctor` as a command: what it prints, how it ends, and that no check can end the others."""

import json
import subprocess
import sys
import threading

import pytest

from service.runtime.doctor.examination import CHECKS, Check, examine
from service.runtime.doctor.finding import ok, warn
from service.runtime.doctor.site import Site
from service.settings import Settings
from tests.support.commands import otp_fallback
from tests.support.stack import ACCOUNT, ROOT, SERVICE


def test_a_check_that_breaks_or_hangs_is_told_of(monkeypatch, tmp_path):
    monkeypatch.setenv("OTP_DATA_DIR", str(tmp_path))
    for_ever = threading.Event()

    def breaks(_site):
        raise RuntimeError("hunter2")

    checks = [
        Check("hangs", lambda _site: for_ever.wait() and ok("-")),
        Check("breaks", breaks),
        Check("fine", lambda _site: warn("so so", "mend it")),
        Check("after", lambda _site: ok("came"), needs=("fine",)),
        Check("never", lambda _site: ok("came"), needs=("breaks",)),
        Check("nor", lambda _site: ok("came"), needs=("never",)),
    ]
    found = examine(Site(Settings.load()), checks, deadline=0.5)
    for_ever.set()
    assert list(found) == [check.name for check in checks]
    levels = {name: finding.level for name, finding in found.items()}
    assert levels == {
        "hangs": "fail", "breaks": "fail", "fine": "warn", "after": "ok", "never": "skip", "nor": "skip",
    }  # fmt: skip
    assert "RuntimeError at test_doctor_command.py:" in found["breaks"].found
    assert "hunter2" not in repr(found)


def test_names_are_unique_and_what_is_needed_comes_before():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(names.index(needed) < names.index(check.name) for check in CHECKS for needed in check.needs)


PRODUCTION = {
    "OTP_ENV": "production",
    "TWILIO_ACCOUNT_SID": ACCOUNT,
    "TWILIO_AUTH_TOKEN": "hunter2",
    "TWILIO_VERIFY_SERVICE_SID": SERVICE,
    "TWILIO_VERIFY_BASE_URL": "http://127.0.0.1:1",
    "OTP_PUBLIC_URL": "https://127.0.0.1:1",
}


def test_settings_that_do_not_go_together_are_all_told(command, doctor, valkey):
    env = valkey(OTP_ENV="production", TWILIO_ACCOUNT_SID=ACCOUNT, OTP_MASTER_KEYS="")
    found = doctor(env)
    assert {check.level for check in found.values()} == {"fail"}
    for name in ("TWILIO_AUTH_TOKEN", "OTP_MASTER_KEYS", "OTP_PUBLIC_URL"):
        assert any(name in check.found for check in found.values())
    done = command({**env, "OTP_PORT": "http", "OTP_MASTER_KEYS": "hunter2"})
    assert done.returncode == 1
    assert "OTP_PORT" in done.stdout
    assert "OTP_MASTER_KEYS" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_production(doctor, valkey):
    found = doctor(valkey(**PRODUCTION))
    assert found["pages"].level == "warn"
    assert "OTP_ISSUER, OTP_BRAND_COLOR, OTP_BRAND_LOGO, OTP_RETURN_URLS" in found["pages"].found
    assert (found["smtp"].level, "SMTP_URL is unset" in found["smtp"].found) == ("warn", True)
    assert "hunter2" not in found.text


def test_keys(doctor, valkey):

    env = valkey(**PRODUCTION)

    def make(*scopes):
        words = [part for scope in scopes for part in ("--scope", scope)]
        done = otp_fallback(env, "keys", "create", "--name", "n", *words)
        assert done.returncode == 0, done.stderr

    assert "no API key:" in doctor(env)["api_keys"].found
    make("challenges")
    assert "scope ops" in doctor(env)["api_keys"].found
    make("ops")
    assert doctor(env)["api_keys"].level == "ok"
    found = doctor({**env, "OTP_BOOTSTRAP_API_KEY": "bootstrap-4711"})
    assert (found["api_keys"].level, "OTP_BOOTSTRAP_API_KEY" in found["api_keys"].found) == ("warn", True)
    assert "4711" not in found.text


@pytest.mark.parametrize(("mode", "level"), [(0o600, "ok"), (0o644, "fail")])
def test_generated_keys_that_others_may_read(doctor, valkey, tmp_path, mode, level):
    env = valkey(OTP_MASTER_KEYS="", OTP_DATA_DIR=str(tmp_path / "var"))
    (tmp_path / "var").mkdir(mode=0o700)
    keys = tmp_path / "var" / "master.keys"
    keys.write_text("k1:" + "A" * 43 + "=\n")
    keys.chmod(mode)
    found = doctor(env)
    assert found["key_files"].level == level
    assert found["data_folder"].level == "ok"
    if level == "fail":
        assert "chmod 600" in found["key_files"].mend
    keys.parent.chmod(0o755)
    assert doctor(env)["data_folder"].level == "warn"


def test_few_open_files(valkey):
    words = [sys.executable, "-m", "service.cli", "doctor", "--json"]
    done = subprocess.run(
        ["bash", "-c", 'ulimit -Sn 1024 && exec "$@"', "bash", *words],
        env=valkey(), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = next(check for check in json.loads(done.stdout)["checks"] if check["name"] == "open_files")
    assert (found["level"], "1024" in found["found"]) == ("warn", True)


def test_for_people(command, valkey):
    done = command(valkey())
    assert done.returncode == 1
    assert "\x1b[" not in done.stdout
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert next(line for line in lines if " worker " in line).startswith("fail")
    assert any("mend: run `otp-fallback serve`" in line for line in lines)
    assert lines[-1].startswith("1 failed, ")


def test_traces(doctor, valkey):
    env = valkey()
    assert doctor(env)["traces"].level == "skip"
    assert doctor({**env, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})["traces"].level == "ok"
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in doctor({**env, "OTEL_EXPORTER_OTLP_ENDPOINT": "here"}).text
