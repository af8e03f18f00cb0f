"""Reading a file that holds secrets: only if nobody else may read it, too."""

import os
from pathlib import Path


class FileUnusable(Exception):
    """`str()` is one line that says why the file is not used, and how to mend it."""


def read_private(path: Path, shown: str) -> str | None:
    """The text of a file that only its owner may read; None when there is no such file.

    Args:
        path: the file.
        shown: its name in messages.

    Raises:
        FileUnusable: others may read it, or it can't be read.

    """
    try:
        with path.open(encoding="utf-8") as file:
            status = os.fstat(file.fileno())
            mode = status.st_mode & 0o777
            if mode & forbidden(status.st_uid, os.geteuid()):
                raise FileUnusable(f"{shown} may be read by others (mode {mode:o}): chmod 600 {shown}")
            return file.read()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise FileUnusable(f"{shown} can't be read: {reason}") from None


def forbidden(owner: int, reader: int) -> int:
    """The permissions that a file must not have.

    What root hands to a process by its group, as Kubernetes mounts secrets, is as private as a file of our
    own (PostgreSQL takes keys by the same rule, `ssl_key_file`).
    """
    return 0o037 if owner == 0 != reader else 0o077
