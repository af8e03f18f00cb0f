"""The data folder (`OTP_DATA_DIR`): where everything lies, its lock, and files only the owner may read."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from service import private_file
from service.runtime.errors import StartError


class DataFolder:
    """Paths below the data folder, absolute; `str()` is the folder as the operator wrote it."""

    def __init__(self, given: Path) -> None:
        self._given = given
        self.path = given.resolve()
        self.lock_file = self.path / "serve.lock"
        self.run_file = self.path / "run.json"
        self.master_keys = self.path / "master.keys"
        self.sandbox_credentials = self.path / "sandbox.json"
        self.sandbox_database = self.path / "sandbox.sqlite"
        self.logs = self.path / "logs"
        self.metrics = self.path / "metrics"
        self.valkey = self.path / "valkey"

    def __str__(self) -> str:
        text = str(self._given)
        return text if self._given.is_absolute() or text.startswith(".") else f"./{text}"

    def create(self) -> None:
        """Make the folder and those in it, for its owner alone.

        Raises:
            StartError: that is not possible there.

        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.logs, self.metrics, self.valkey):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StartError(
                f"OTP_DATA_DIR: {self} can't be used: {error.strerror} ({error.filename})"
            ) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process.

        The kernel drops the lock with the process, so none is ever left behind, and the descriptor
        closes on exec, so no child keeps it.

        Raises:
            StartError: another `serve` holds it.

        """
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StartError(f"OTP_DATA_DIR: {self} can't be used: {error.strerror}") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
                raise StartError(
                    f"another `otp-fallback serve` (pid {pid}) runs on {self}:"
                    " end it, or set OTP_DATA_DIR to another folder"
                ) from None
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            yield
        finally:
            os.close(descriptor)

    def show(self, path: Path) -> str:
        """A path below the folder, as the operator would write it."""
        return f"{self}/{path.relative_to(self.path)}"


def write_private(path: Path, text: str) -> None:
    """Put a file in place, whole and on disk or not at all, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_private(path: Path, shown: str) -> str | None:
    """As `service.private_file.read_private`, for a file below the folder.

    Raises:
        StartError: others may read it, or it can't be read.

    """
    try:
        return private_file.read_private(path, shown)
    except private_file.FileUnusable as error:
        raise StartError(str(error)) from None


def read_json(path: Path, shown: str) -> dict[str, Any] | None:
    """A private JSON object; None when there is no such file.

    Raises:
        StartError: as `read_private`, or it is not a JSON object.

    """
    text = read_private(path, shown)
    if text is None:
        return None
    with suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    raise StartError(f"{shown} is damaged: remove it, and it will be made again")
