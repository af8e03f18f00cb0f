"""A wall clock that can be moved, for processes that know nothing of it: `clock.c`, preloaded (Linux)."""

import shutil
import struct
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


class NoCompiler(Exception):
    """It can't be built here."""


def build(folder: Path) -> Path:
    """The library to preload. Raises `NoCompiler`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        raise NoCompiler("needs a C compiler, on Linux, to move clocks")
    library = folder / "clock.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-o", str(library), str(SOURCE), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoCompiler(f"the clock can't be compiled here: {done.stderr.strip()[:200]}")
    return library


class Clock:
    """The clock of all processes that are started with `env`."""

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        file.write_bytes(struct.pack("q", 0))
        self.env = {"LD_PRELOAD": str(library), "CHAOS_CLOCK": str(file)}

    def move(self, seconds: float) -> None:
        """Let it be off by so many seconds, at once."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("q", int(seconds * 1e9)))
