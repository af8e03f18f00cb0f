"""Running commands: `otp-fallback …` as a process of its own, begun by a fork.

A new interpreter spends a second on importing before a command does anything, and the tests run hundreds of
them. So one process imports all of it once and forks for each (`spawner.py`); what is forked has the
arguments, environment, folder and files that it is given. How the command is installed and started is
tests/runtime's.
"""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tests.support.spawning import ASK_AT, spawn
from tests.support.stack import ROOT, wait_until


def otp_fallback(
    env: Mapping[str, str], *words: object, text: str = "", timeout: float = 100, check: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `text` is what it can read, and nothing is a terminal."""
    asked = {"words": list(map(str, words)), "env": dict(env), "folder": str(ROOT)}
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(text.encode())
        given.seek(0)
        status = spawn(_spawner(), asked, [file.fileno() for file in (given, out, err)], timeout)
        out.seek(0)
        err.seek(0)
        done = subprocess.CompletedProcess(asked["words"], status, out.read().decode(), err.read().decode())
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


def quick_commands() -> dict[str, str]:
    """Variables by which a shell's `otp-fallback` is begun in the same way."""
    here = Path(__file__).parent / "bin"
    return {"PATH": os.pathsep.join([str(here), os.environ["PATH"]]), ASK_AT: _spawner()}


@cache
def _spawner() -> str:
    folder = Path(tempfile.mkdtemp(prefix="otps-"))
    path = folder / "socket"
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.spawner", str(path)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=reading,
    )
    os.close(reading)

    def end() -> None:
        os.close(writing)  # which ends it; so does our own end, whatever that is
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    wait_until(path.exists, 60)
    return str(path)
