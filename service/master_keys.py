"""The master keys that the settings give: in the environment, in a private file, or by a command.

A command is how a KMS or a vault gives them: it prints them. Neither what it prints, on standard error too,
nor its words are told: what a tool says in its trouble (`set -x`, `curl -v`) may hold the key or a token.
"""

import os
import shlex
import signal
import subprocess
from contextlib import suppress

from service.domain.master_keys import parse_master_keys
from service.private_file import FileUnusable, read_private
from service.settings import Settings, SettingsError

COMMAND_WITHIN = 10.0  # seconds
_BY_HAND = "run it by hand to see why"


def given_master_keys(settings: Settings, *, within: float = COMMAND_WITHIN) -> str | None:
    """The keys in the form of `OTP_MASTER_KEYS`; `None` when no setting says anything about them.

    Args:
        settings: which of the three ways it is.
        within: seconds that a command may take.

    Raises:
        SettingsError: the file or the command gives none.

    """
    if settings.master_keys is not None:
        return settings.master_keys.get_secret_value()
    if settings.master_keys_file is not None:
        return _of_file(settings)
    if settings.master_keys_command is not None:
        return _of_command(settings.master_keys_command, within)
    return None


def _of_file(settings: Settings) -> str:
    path = settings.master_keys_file
    assert path is not None  # noqa: S101 - for the type checker
    try:
        text = read_private(path, str(path))
    except FileUnusable as error:
        raise SettingsError(f"OTP_MASTER_KEYS_FILE: {error}") from None
    if text is None:
        raise SettingsError(f"OTP_MASTER_KEYS_FILE: no such file: {path}")
    try:
        parse_master_keys(text)
    except ValueError as error:
        raise SettingsError(f"OTP_MASTER_KEYS_FILE: {path}: {error}") from None
    return text.strip()


def _of_command(command: str, within: float) -> str:
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's own words, and no shell
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise SettingsError(f"OTP_MASTER_KEYS_COMMAND: can't be run: {error.strerror}") from None
    with process:
        try:
            printed, _ = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            raise SettingsError(
                f"OTP_MASTER_KEYS_COMMAND: did not end within {within:g} s: {_BY_HAND}"
            ) from None
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)  # and whatever it began
    if process.returncode:
        raise SettingsError(
            f"OTP_MASTER_KEYS_COMMAND: ended with exit status {process.returncode}: {_BY_HAND}"
        )
    try:
        text = printed.decode().strip()
        parse_master_keys(text)
    except ValueError:  # its text may name a part of what was printed
        raise SettingsError(
            "OTP_MASTER_KEYS_COMMAND: what it prints is not kid:base64[,kid:base64...] of 32 bytes each"
            " (not shown, as it may be a key)"
        ) from None
    return text
