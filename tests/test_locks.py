"""What is installed is what is locked: every package by version and hash, as `pyproject.toml` asks for it."""

import json
import re
import runpy
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.stack import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
_PIN = re.compile(
    r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)(?: ; [^\\]+)? \\\n((?:    .*\n?)+)", re.MULTILINE
)


def locked(name):
    """Every package of a lock file, by name: its versions (markers may choose), each with its hashes."""
    text = (ROOT / name).read_text()
    found: dict[str, list[tuple[str, list[str]]]] = {}
    for package, version, rest in _PIN.findall(text):
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", rest)
        found.setdefault(canonicalize_name(package), []).append((version, hashes))
    lines = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert len(lines) == sum(map(len, found.values())), "a line that pins nothing"
    return found


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_every_package_is_pinned_with_hashes(name):
    packages = locked(name)
    assert len(packages) > 40
    for package, versions in packages.items():
        for version, hashes in versions:
            assert hashes, f"{package} {version}"


def asked(*, dev):
    names = list(PROJECT["project"]["dependencies"])
    if dev:
        names += PROJECT["project"]["optional-dependencies"]["otel"] + PROJECT["dependency-groups"]["dev"]
    return [Requirement(name) for name in names]


@pytest.mark.parametrize(("name", "dev"), [("requirements.lock", False), ("requirements-dev.lock", True)])
def test_the_locks_are_what_the_project_asks_for(name, dev):
    packages = locked(name)
    for requirement in asked(dev=dev):
        versions = packages.get(canonicalize_name(requirement.name))
        assert versions, f"{requirement.name} is not locked: make locks"
        for version, _ in versions:
            assert requirement.specifier.contains(version, prereleases=True), f"{requirement}: {version}"


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("requirements-build.lock", "build"),
        ("tests/deploy/tools.lock", "deploy"),
        (".ci/release.lock", "release"),
    ],
)
def test_what_builds_and_looks_is_locked_as_well(name, group):
    packages, tested = locked(name), locked("requirements-dev.lock")
    for text in PROJECT["dependency-groups"][group]:
        requirement = Requirement(text)
        versions = packages[canonicalize_name(requirement.name)]
        assert all(requirement.specifier.contains(version) for version, _ in versions)
    for package, versions in packages.items():
        assert all(hashes for _, hashes in versions), package
        assert versions == tested.get(package, versions), f"{package}: make locks"


def test_what_is_tested_is_what_runs():
    tested = locked("requirements-dev.lock")
    for package, versions in locked("requirements.lock").items():
        assert tested[package] == versions


def test_nothing_is_installed_without_its_hash():
    """By `make` and in the image: every install is of a lock file, or of this project without dependencies."""
    for name in ("Makefile", "Dockerfile"):
        installs = re.findall(r"pip(?: --python \S+)? install(?:[^\\\n]|\\\n)*", (ROOT / name).read_text())
        assert installs
        for install in installs:
            assert "--require-hashes -r requirements" in install or "--no-deps" in install, install


def report(*dependencies):
    return json.dumps({"dependencies": list(dependencies), "fixes": []})


CLEAN = {"name": "flask", "version": "3.1.0", "vulns": []}
BAD = {"name": "x", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}
SKIPPED = {"name": "y", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        (report(CLEAN), 0, "nothing known of 1 packages"),
        (report(CLEAN, SKIPPED), 0, "nothing known of 1 packages; 1 not looked up"),
        (report(SKIPPED), 0, "not audited: the registry has no data about any of 1 packages"),
        (report(CLEAN, BAD, SKIPPED), 1, "known vulnerabilities\n  x 1: PYSEC-1 (mended in 2)"),
        ("", 0, "not audited: pip-audit got no answer from the registry"),
    ],
)
def test_what_an_audit_says(text, status, words):
    judge = runpy.run_path(str(ROOT / ".ci" / "audit.py"))["judge"]
    assert judge(text) == (status, words)
