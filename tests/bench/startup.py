"""How long it takes until the service answers, and until a command has said what it can do."""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from tests.bench.goals import Row
from tests.bench.world import ROOT

READY = 2.0  # seconds
HELP = 0.3  # seconds
TIMES = 3


def startup() -> list[Row]:
    """`serve` as it comes, with the embedded Valkey and the sandbox, from nothing; and `--help`."""
    with tempfile.TemporaryDirectory(prefix="otpb-") as folder:
        ready = [_ready(f"{folder}/{number}") for number in range(TIMES)]
    helped = [_help() for _ in range(TIMES)]
    return [
        Row("otp-fallback serve", "until ready", min(ready), "s", most=READY, more=_spread(ready)),
        Row("otp-fallback --help", "until it ended", min(helped), "s", most=HELP, more=_spread(helped)),
    ]


def _ready(folder: str) -> float:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("OTP_", "TWILIO_"))}
    own.pop("REDIS_URL", None)
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--json"],
        env={**own, "OTP_DATA_DIR": folder, "OTP_PORT": "0"}, cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline(), "it did not start"
        return time.monotonic() - began
    finally:
        process.terminate()
        process.wait(30)


def _help() -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "service.cli", "--help"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.monotonic() - began


def _spread(seconds: list[float]) -> str:
    """The least is what it takes; more is what else the machine did."""
    return f"the least of {len(seconds)}; median {statistics.median(seconds):.2f} s"
