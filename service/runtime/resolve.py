"""Settings with what was left unset filled in from the data folder.

`serve` fills them in for its children; every other command calls `resolve` to talk to what `serve` runs.
"""

import os
from collections.abc import Mapping
from typing import get_args

from pydantic import SecretStr

from service.master_keys import given_master_keys
from service.runtime import run_file
from service.runtime.errors import NotRunning, StartError
from service.runtime.folder import DataFolder
from service.runtime.generated import SandboxAccount, read_master_keys, read_sandbox_account
from service.runtime.run_file import Running
from service.runtime.valkey_socket import ping, server_url
from service.settings import Settings


def resolve(settings: Settings) -> Settings:
    """The settings by which a command reaches what a running `serve` uses.

    Raises:
        NotRunning: the embedded server is needed, and does not run.
        StartError: the master key is in neither the settings nor the data folder.
        SettingsError: it does not come from where the settings say.

    """
    folder = DataFolder(settings.data_dir)
    running = run_file.read(folder)
    if settings.uses_embedded_redis and ping(folder.path) is None:
        if running is not None and not running.embedded_store:
            raise NotRunning(
                f"the server running on {folder} has a REDIS_URL of its own: set REDIS_URL to that"
            )
        raise NotRunning(f"no server is running on {folder}: start `otp-fallback serve` or set REDIS_URL")
    keys = given_master_keys(settings) or read_master_keys(folder)
    if keys is None:
        raise StartError(f"OTP_MASTER_KEYS is not set, and {folder} holds no generated key: set it")
    return fill_in(settings, folder, keys=keys, account=read_sandbox_account(folder), running=running)


def fill_in(
    settings: Settings,
    folder: DataFolder,
    *,
    keys: str | None,
    account: SandboxAccount | None,
    running: Running | None,
) -> Settings:
    """Fill in what is unset; what is set stays.

    Args:
        settings: as they were given.
        folder: their data folder.
        keys: the master keys, given or generated. From here on they are `OTP_MASTER_KEYS`: a process that is
            restarted in an outage must not depend on a vault.
        account: the sandbox's account.
        running: what `serve` runs; without it the sandbox stays unset.

    """
    filled: dict[str, object] = {"data_dir": folder.path}
    if settings.uses_embedded_redis:
        filled["redis_url"] = SecretStr(server_url(folder.path))
    if settings.master_keys is None and keys is not None:
        filled |= {
            "master_keys": SecretStr(keys),
            "master_keys_file": None,
            "master_keys_command": None,
        }
    if running is not None:
        filled["port"] = running.port
        if settings.uses_sandbox_twilio and account is not None and running.sandbox_url is not None:
            filled["twilio_account_sid"] = account.account_sid
            filled["twilio_auth_token"] = SecretStr(account.auth_token)
            filled["twilio_verify_service_sid"] = account.service_sid
            filled["twilio_verify_base_url"] = running.sandbox_url
        if settings.uses_sandbox_mail and running.smtp_port is not None:
            filled["smtp_url"] = SecretStr(f"smtp://127.0.0.1:{running.smtp_port}")
    return settings.model_copy(update=filled)


def environment(settings: Settings) -> Mapping[str, str]:
    """The environment that makes `Settings.load` in a child give these settings."""
    told = dict(os.environ)
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(field.validation_alias, str):
            told.pop(field.validation_alias, None)
            if value is not None:
                text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
                told[field.validation_alias] = text
    return told


def environment_without_secrets() -> Mapping[str, str]:
    """Our own environment for programs that need none of the secrets in it: Valkey, the sandbox."""
    withheld = {
        field.validation_alias
        for field in Settings.model_fields.values()
        if SecretStr in get_args(field.annotation)
    }
    return {name: value for name, value in os.environ.items() if name not in withheld}
