"""Load by wrk (https://github.com/wg/wrk): prepared requests, as fast as answers come."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("requests.lua")
MISSING = "wrk is needed to make load: apt-get install wrk (Debian, Ubuntu), brew install wrk (macOS)"


class RoundFailed(Exception):
    """A round that gave no number: an answer was none, or not the expected one."""


class TooFew(RoundFailed):
    """Fewer requests were prepared than were sent."""


@dataclass(frozen=True)
class Measured:
    """One round. Times in seconds."""

    requests: int
    duration: float
    median: float
    p99: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.duration


def require() -> None:
    """Exit with what to do when it is not installed."""
    if shutil.which("wrk") is None:
        raise SystemExit(MISSING)


def drive(
    url: str,
    key: str,
    lines: Sequence[str],
    *,
    connections: int,
    seconds: float,
    folder: Path,
    pause: float = 0.0,
) -> Measured:
    """Send requests for so long.

    Args:
        url: of the server.
        key: the API key.
        lines: `path body`, each to be sent once.
        connections: how many are waited for at any time.
        seconds: whole ones.
        folder: for the file of them.
        pause: seconds that a caller waits before a request, on average: each a random time. Callers that wait
            for the same slow thing come all at once else, again and again, and wait for each other.

    Raises:
        TooFew: there were too few lines.
        RoundFailed: an answer was no 2xx, or there was none.
    """
    prepared = folder / "requests"
    prepared.write_text("\n".join(lines) + "\n")
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds:.0f}s"]
    command += [
        "--timeout",
        "10s",
        "--script",
        str(SCRIPT),
        url,
        "--",
        str(prepared),
        key,
        f"{pause * 1000:.0f}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    if done.returncode:
        raise RoundFailed(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
    sent = json.loads(done.stdout.strip().splitlines()[-1])["requests"]
    if sent > len(lines) - connections:  # the last one went again, and may have been refused
        raise TooFew(f"only {len(lines)} requests were prepared, and {sent} sent")
    return parse(done.stdout)


def parse(text: str) -> Measured:
    """Read what `requests.lua` printed.

    Raises:
        RoundFailed: something was not answered, or not by a 2xx.
    """
    told = json.loads(text.strip().splitlines()[-1])
    faults = {name: count for name, count in told["faults"].items() if count}
    if faults or not told["requests"]:
        raise RoundFailed(f"{told['requests']} answers, and not well: {faults or 'none at all'}")
    return Measured(told["requests"], told["duration"] / 1e6, told["median"] / 1e6, told["p99"] / 1e6)
