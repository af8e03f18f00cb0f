"""Where the embedded Valkey listens, and whether it answers. Other commands find the server by this."""

import hashlib
import os
import socket
import stat
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from service.runtime.errors import StartError

MAX_PATH = 103  # bytes; the kernel's limit is 108 on Linux and 104 on macOS, final NUL included
# Not the environment's temporary folder: `serve` and a later command must come to the same place.
SHORT_FOLDERS = Path("/tmp")  # noqa: S108 - what is made there is checked by `private_folder`


def socket_path(data_dir: Path) -> Path:
    """The socket of the server on a data folder: in it, or in a short private folder if that is too long."""
    folder = data_dir.resolve()
    path = folder / "valkey" / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_PATH:
        return path
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:20]
    return SHORT_FOLDERS / f"otp-fallback-{name}" / "valkey.sock"


def check_folder(path: Path, data_dir: Path) -> None:
    """Check that nobody else could have put the socket there.

    A short folder lies where everybody may make one; that in the data folder is its owner's business.

    Raises:
        StartError: it is a link, open to others, or neither root's nor that of the data folder's owner.

    """
    folder = path.parent
    if folder.parent != SHORT_FOLDERS:
        return
    status = folder.lstat()
    owners = {0, data_dir.stat().st_uid}
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners or status.st_mode & 0o077:
        raise StartError(
            f"{folder} is not a private folder of ours: remove it, or set OTP_DATA_DIR to a shorter path"
        )


def server_url(data_dir: Path) -> str:
    """The server's `REDIS_URL`."""
    return "unix://" + quote(str(socket_path(data_dir)))


def ping(data_dir: Path) -> Literal["ready", "loading"] | None:
    """Ask the server whether it can serve; None when nothing answers.

    Raises:
        StartError: the socket's folder is not private.

    """
    path = socket_path(data_dir)
    try:
        check_folder(path, data_dir)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            answer = connection.recv(64)
    except OSError:
        return None
    if answer.startswith(b"+PONG"):
        return "ready"
    return "loading" if answer.startswith(b"-LOADING") else None
