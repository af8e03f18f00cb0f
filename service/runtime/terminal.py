"""Whether SIGHUP means that the terminal was closed, or that someone asks for a reload."""

import os


class Terminal:
    """The terminal that a process was started from, if any."""

    def __init__(self) -> None:
        self._was_there = _is_there()

    def is_gone(self) -> bool:
        """Whether there was one that has been closed."""
        return self._was_there and not _is_there()


def _is_there() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
