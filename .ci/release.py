"""Makes a release: sdist, wheel, SBOM, checksums; and signs them, if it is given a key (`deploy/release.md`).

    .venv/bin/python .ci/release.py dist --tag v1.2.3 --key ~/.ssh/release

Everything is made from the files that git knows, and what is built is built twice, in two places and of two
ages: a release whose bytes differ is none. Ends with 1, and a word why, if something does not fit.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOOL = ROOT / ".venv" / "release"
UV = Path(sys.executable).with_name("uv")


def main() -> int:
    """Make one."""
    parser = argparse.ArgumentParser(description="Make a release.")
    parser.add_argument("out", type=Path, help="a folder for what is made")
    parser.add_argument("--tag", help="vVERSION; must be what the code and the changelog say")
    parser.add_argument("--key", type=Path, help="an SSH key to sign the checksums with")
    asked = parser.parse_args()
    try:
        made = release(asked.out.resolve(), tag=asked.tag, key=asked.key)
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"no release: {error}\n{getattr(error, 'stderr', None) or ''}".strip())
        return 1
    print("\n".join(made))
    return 0


def release(out: Path, *, tag: str | None, key: Path | None) -> list[str]:
    """Make all files; the lines of `SHA256SUMS`."""
    version = version_of((ROOT / "service" / "__init__.py").read_text())
    if tag is not None:
        check(tag, version, (ROOT / "CHANGELOG.md").read_text())
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        folders = Path(name, "one"), Path(name, "another", "place")
        first, second = (built(folder) for folder in folders)
        if sums(first) != sums(second):
            raise ValueError("two builds of the same files differ")
        for file in first.iterdir():
            shutil.copy(file, out)
        bill_of_materials(Path(name), version, out / f"otp_fallback-{version}.cdx.json")
    lines = [f"{digest}  {file}" for file, digest in sorted(sums(out).items())]
    (out / "SHA256SUMS").write_text("".join(f"{line}\n" for line in lines))
    if key is not None:
        run("ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", str(key), str(out / "SHA256SUMS"))
    return lines


def version_of(code: str) -> str:
    """The version, from the one place where it stands."""
    found = re.search(r'^__version__ = "(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)"$', code, re.MULTILINE)
    if found is None:
        raise ValueError("service/__init__.py has no __version__")
    return found[1]


def check(tag: str, version: str, changelog: str) -> None:
    """A tag is of this version, and the changelog tells of it, with a date."""
    if tag != f"v{version}":
        raise ValueError(f"the tag is {tag}, and service/__init__.py says {version}")
    heading = re.compile(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", re.MULTILINE)
    if not heading.search(changelog):
        raise ValueError(f"CHANGELOG.md has no section `## {version} - YYYY-MM-DD`")


def built(folder: Path) -> Path:
    """The sdist and the wheel, and the client's, of a fresh copy of what git knows."""
    source = folder / "source"
    for name in run("git", "ls-files", "-z").split("\0")[:-1]:
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct").strip()
    for place, kinds in ((source, ("sdist", "wheel")), (source / "service" / "client", ("wheel",))):
        asked = [word for kind in kinds for word in ("-t", kind)]
        command = (sys.executable, "-m", "hatchling", "build", *asked, "-d", str(folder / "made"))
        run(*command, cwd=place, SOURCE_DATE_EPOCH=epoch)
    return folder / "made"


def bill_of_materials(folder: Path, version: str, target: Path) -> None:
    """What is installed with it, by CycloneDX: of the lock's packages, with licences and who needs whom."""
    for place, lock in ((TOOL, ".ci/release.lock"), (folder / "installed", "requirements.lock")):
        if not (place / "bin" / "python").exists():
            run(str(UV), "venv", "-q", "--python", sys.executable, str(place))
        command = ("pip", "sync", "-q", "--no-build", "--require-hashes", lock)
        run(str(UV), *command, VIRTUAL_ENV=str(place))
    run(
        *(str(TOOL / "bin" / "cyclonedx-py"), "environment", str(folder / "installed" / "bin" / "python")),
        *("--pyproject", "pyproject.toml", "--mc-type", "application"),
        *("--output-reproducible", "--of", "JSON", "-o", str(target)),
    )
    bill = json.loads(target.read_text())
    ours = {
        "version": version,
        "purl": f"pkg:pypi/otp-fallback@{version}",
    }  # a computed one, which it can't read
    bill["metadata"]["component"] |= ours
    target.write_text(json.dumps(bill, indent=1, sort_keys=True))


def sums(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def run(*command: str, cwd: Path = ROOT, **env: str) -> str:
    """Run a program; what it printed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **env}, check=True, capture_output=True, text=True, timeout=600
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
