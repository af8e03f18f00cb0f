"""Packages from npm: installed from a folder's lock file, once."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.tools import independent


def installed(folder: Path) -> Path:
    """A folder with its packages installed; skips the test where there is no Node, or no registry."""
    npm = independent("npm")
    independent("node")
    modules = folder / "node_modules"
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = modules / ".lock-of-tests"
    with (folder / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # several processes test at once
        if not (stamp.exists() and stamp.read_text() == lock):
            shutil.rmtree(modules, ignore_errors=True)
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=folder, capture_output=True, text=True, timeout=100, check=False,
            )  # fmt: skip
            if done.returncode != 0:
                told = f"npm ci in {folder.name}: {done.stderr[-500:]}"
                pytest.fail(told) if os.environ.get("OTP_REQUIRE_TOOLS") else pytest.skip(told)
            stamp.write_text(lock)
    return folder
