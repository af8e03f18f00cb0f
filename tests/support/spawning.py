"""How the spawner is asked for a process. Imports little: the shell's `otp-fallback` begins with it each time."""

import json
import os
import socket
from typing import Any

ASK_AT = "OTP_TESTS_SPAWNER"


def spawn(path: str, asked: dict[str, Any], files: list[int], timeout: float | None) -> int:
    """Run a command with these arguments, environment, folder and standard files; its exit status.

    Raises:
        TimeoutError: it took longer, and was killed.
    """
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
        asking.settimeout(timeout)
        raw = json.dumps(asked).encode()
        socket.send_fds(asking, [len(raw).to_bytes(4)], files)
        asking.sendall(raw)
        told = asking.makefile()
        process = int(told.readline())
        try:
            return int(told.readline())
        except TimeoutError:
            os.kill(process, 9)
            raise
