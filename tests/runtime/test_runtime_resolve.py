"""How commands find what `serve` runs, and what a data folder keeps."""

import os
import subprocess
import sys

import pytest
from pydantic import SecretStr
from serve_process import environment

from service.runtime import generated, run_file, valkey_socket
from service.runtime.banner import first_call
from service.runtime.errors import NotRunning, StartError
from service.runtime.folder import DataFolder
from service.runtime.resolve import environment as child_environment
from service.runtime.resolve import fill_in, resolve
from service.runtime.run_file import Running
from service.runtime.valkey_socket import MAX_PATH, check_folder, socket_path
from service.settings import Settings


@pytest.fixture
def folder(tmp_path):
    folder = DataFolder(tmp_path / "var")
    folder.create()
    return folder


@pytest.fixture
def settings(folder, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("OTP_", "REDIS_", "TWILIO_", "SMTP_", "MAIL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("OTP_DATA_DIR", str(folder.path))
    return Settings.load()


RUNNING = Running(
    url="http://127.0.0.1:9",
    port=9,
    embedded_store=True,
    sandbox_url="http://127.0.0.1:10",
    smtp_port=11,
    pid=os.getpid(),
)


def test_no_server_is_told_in_one_line(settings):
    with pytest.raises(NotRunning, match="start `otp-fallback serve` or set REDIS_URL"):
        resolve(settings)


def test_the_folder_is_shown_as_it_was_written(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "service.cli.main", "keys", "list"],
        env={**environment(tmp_path), "OTP_DATA_DIR": "./var", "PYTHONPATH": ""},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        "otp-fallback: no server is running on ./var: start `otp-fallback serve` or set REDIS_URL\n"
    )


def test_a_server_with_a_redis_of_its_own(settings, folder):
    run_file.write(folder, Running(**{**vars_of(RUNNING), "embedded_store": False}))
    with pytest.raises(NotRunning, match="has a REDIS_URL of its own"):
        resolve(settings)


def vars_of(running):
    return {name: getattr(running, name) for name in Running.__dataclass_fields__}


def test_what_a_crash_left_behind_does_not_count(folder):
    run_file.write(folder, Running(**{**vars_of(RUNNING), "pid": 2**22 + 1}))
    assert run_file.read(folder) is None


def test_a_given_redis_needs_the_given_or_generated_key(settings, folder):
    given = settings.model_copy(update={"redis_url": SecretStr("redis://host")})
    with pytest.raises(StartError, match="OTP_MASTER_KEYS is not set"):
        resolve(given)
    keys = generated.master_keys(folder)
    assert resolve(given).master_keys.get_secret_value() == keys


def test_what_is_filled_in_reaches_a_child_whole(settings, folder, monkeypatch):
    keys, account = generated.master_keys(folder), generated.sandbox_account(folder)
    filled = fill_in(settings, folder, keys=keys, account=account, running=RUNNING)
    for name, value in child_environment(filled).items():
        monkeypatch.setenv(name, value)
    assert Settings.load() == filled
    assert filled.twilio_verify_base_url == "http://127.0.0.1:10"
    assert filled.smtp_url.get_secret_value() == "smtp://127.0.0.1:11"
    assert not filled.uses_sandbox_twilio


def test_what_is_set_stays(settings, folder):
    given = settings.model_copy(
        update={
            "redis_url": SecretStr("redis://host"),
            "master_keys": SecretStr("mine"),
            "twilio_account_sid": "AC1",
            "smtp_url": SecretStr("smtp://mail"),
        }
    )
    account = generated.sandbox_account(folder)
    filled = fill_in(given, folder, keys="k", account=account, running=RUNNING)
    assert filled.redis_url.get_secret_value() == "redis://host"
    assert filled.master_keys.get_secret_value() == "mine"
    assert filled.twilio_account_sid == "AC1"
    assert filled.twilio_verify_base_url == settings.twilio_verify_base_url
    assert filled.smtp_url.get_secret_value() == "smtp://mail"


def test_generated_secrets_are_made_once_and_private(folder):
    assert generated.master_keys(folder) == generated.master_keys(folder)
    assert generated.sandbox_account(folder) == generated.sandbox_account(folder)
    for path in (folder.master_keys, folder.sandbox_credentials):
        assert path.stat().st_mode & 0o777 == 0o600
    assert not list(folder.path.glob(".*"))


def test_a_damaged_sandbox_file_says_so(folder):
    folder.sandbox_credentials.touch(0o600)
    with pytest.raises(StartError, match="damaged"):
        generated.sandbox_account(folder)


def test_sockets_of_long_paths_are_short_stable_and_apart(tmp_path):
    long = tmp_path / ("x" * 120)
    assert socket_path(tmp_path) == tmp_path / "valkey/valkey.sock"
    assert len(os.fsencode(socket_path(long))) <= MAX_PATH
    assert socket_path(long) == socket_path(tmp_path / "y" / ".." / ("x" * 120))
    assert socket_path(long) != socket_path(tmp_path / ("y" * 120))


def test_a_socket_folder_that_others_could_have_made_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(valkey_socket, "SHORT_FOLDERS", tmp_path)
    private, link, open_to_all = (tmp_path / name for name in ("private", "link", "open"))
    private.mkdir(0o700)
    check_folder(private / "valkey.sock", tmp_path)
    link.symlink_to(private)
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    for folder in (link, open_to_all):
        with pytest.raises(StartError, match="not a private folder"):
            check_folder(folder / "valkey.sock", tmp_path)


def test_the_first_call_quotes_what_a_shell_would_change():
    assert "'Authorization: Bearer k'" in first_call("http://127.0.0.1:1", "k")
    assert '"Authorization: Bearer $OTP_API_KEY"' in first_call("http://127.0.0.1:1", None)
    assert "-g 'http://[::1]:1'/v1" in first_call("http://[::1]:1", "k")
