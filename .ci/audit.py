"""Are there known vulnerabilities in what is locked? `make audit`.

Asks the package registry by pip-audit, which lives in an environment of its own. Ends with 1 if something is
known, with 0 if nothing is, and with 0 and a word if the registry has no such data: mirrors mostly have none.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / ".venv" / "audit"
LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-build.lock",
    "tests/deploy/tools.lock",
    ".ci/release.lock",
)


def main() -> int:
    """Audit every lock file."""
    python = TOOL / "bin" / "python"
    if not (TOOL / "bin" / "pip-audit").exists():
        venv.create(TOOL, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "pip-audit"], check=True)
    worst = 0
    for lock in LOCKS:
        done = subprocess.run(
            [TOOL / "bin" / "pip-audit", "-r", ROOT / lock, "--no-deps", "--disable-pip", "-f", "json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        status, words = judge(done.stdout.decode())
        print(f"{lock}: {words}")
        worst = max(worst, status)
    return worst


def judge(report: str) -> tuple[int, str]:
    """An exit status and what to say, from pip-audit's JSON."""
    try:
        dependencies = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, "not audited: pip-audit got no answer from the registry"
    looked_up = [found for found in dependencies if "vulns" in found]
    known = [
        f"{found['name']} {found['version']}: {fault['id']}"
        + (f" (mended in {', '.join(fault['fix_versions'])})" if fault.get("fix_versions") else "")
        for found in looked_up
        for fault in found["vulns"]
    ]
    if known:
        return 1, "known vulnerabilities\n  " + "\n  ".join(known)
    unknown = len(dependencies) - len(looked_up)
    if not looked_up:
        return 0, f"not audited: the registry has no data about any of {unknown} packages"
    rest = f"; {unknown} not looked up" if unknown else ""
    return 0, f"nothing known of {len(looked_up)} packages{rest}"


if __name__ == "__main__":
    sys.exit(main())
