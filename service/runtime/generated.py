"""What is generated when it is not set, and kept in the data folder: master key, sandbox account."""

import base64
import json
import secrets
from dataclasses import asdict, dataclass

from service.domain.master_keys import MASTER_KEY_BYTES, parse_master_keys
from service.runtime.errors import StartError
from service.runtime.folder import DataFolder, read_json, read_private, write_private


@dataclass(frozen=True, slots=True)
class SandboxAccount:
    """The account that the built-in sandbox knows, in Twilio's forms."""

    account_sid: str
    auth_token: str
    service_sid: str


def read_master_keys(folder: DataFolder) -> str | None:
    """The generated keys, in the form of `OTP_MASTER_KEYS`; None before the first `serve`.

    Raises:
        StartError: the file is readable by others, or damaged. It is never made anew: what was sealed
            with the lost key could not be opened again.

    """
    shown = folder.show(folder.master_keys)
    text = read_private(folder.master_keys, shown)
    if text is None:
        return None
    try:
        parse_master_keys(text.strip())
    except ValueError as error:
        raise StartError(f"{shown} is damaged: {error}. Restore it from a backup") from None
    return text.strip()


def master_keys(folder: DataFolder) -> str:
    """The generated keys, made when there are none; the caller holds the folder's lock."""
    present = read_master_keys(folder)
    if present is not None:
        return present
    made = "k1:" + base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode()
    write_private(folder.master_keys, made + "\n")
    return made


def read_sandbox_account(folder: DataFolder) -> SandboxAccount | None:
    """The sandbox's account; None before the first `serve`."""
    shown = folder.show(folder.sandbox_credentials)
    kept = read_json(folder.sandbox_credentials, shown)
    if kept is None:
        return None
    try:
        return SandboxAccount(**kept)
    except TypeError:
        raise StartError(f"{shown} is damaged: remove it, and it will be made again") from None


def sandbox_account(folder: DataFolder) -> SandboxAccount:
    """The sandbox's account, made when there is none; the caller holds the folder's lock."""
    present = read_sandbox_account(folder)
    if present is not None:
        return present
    made = SandboxAccount(
        account_sid="AC" + secrets.token_hex(16),
        auth_token=secrets.token_hex(16),
        service_sid="VA" + secrets.token_hex(16),
    )
    write_private(folder.sandbox_credentials, json.dumps(asdict(made)) + "\n")
    return made
