"""A release: made twice with the same bytes, with all that runs in it and nothing else, and told of."""

import hashlib
import json
import os
import runpy
import subprocess
import sys
import zipfile

import pytest
from packaging.utils import canonicalize_name

import service
from tests.support.stack import ROOT
from tests.support.tools import independent
from tests.test_locks import locked

RELEASE = ROOT / ".ci" / "release.py"
MADE = runpy.run_path(str(RELEASE))
DATA = {".lua", ".html", ".css", ".js", ".svg", ".po", ".md", ".yaml", ".typed"}


def call(*words, **env):
    return subprocess.run(
        [sys.executable, str(RELEASE), *map(str, words)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """Somebody's key to sign with."""
    path = tmp_path_factory.mktemp("key") / "release"
    subprocess.run(
        [independent("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True
    )
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory, key):
    """A folder with everything."""
    out = tmp_path_factory.mktemp("release") / "dist"
    done = call(out, "--key", key)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def of(made, ending):
    [path] = made.glob(f"*{ending}")
    return path


def test_the_checksums_are_signed(made, key, tmp_path):
    lines = [line.split("  ") for line in (made / "SHA256SUMS").read_text().splitlines()]
    told = {name: digest for digest, name in lines}
    assert told == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in made.iterdir()
        if not path.name.startswith("SHA256SUMS")
    }
    assert len(told) == 4
    (tmp_path / "signers").write_text(f"release@otp-fallback {key.with_suffix('.pub').read_text()}")
    command = [
        "ssh-keygen",
        "-Y",
        "verify",
        "-n",
        "file",
        "-f",
        tmp_path / "signers",
        "-I",
        "release@otp-fallback",
    ]
    sums = (made / "SHA256SUMS").read_bytes()
    for text, status in ((sums, 0), (sums.replace(b"a", b"b", 1), 255)):
        done = subprocess.run(
            [*command, "-s", made / "SHA256SUMS.sig"], input=text, capture_output=True, check=False
        )
        assert done.returncode == status


def test_the_wheel_has_all_that_runs_and_no_tests(made):
    with zipfile.ZipFile(of(made, "fallback-*.whl")) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(f"otp_fallback-{service.__version__}.dist-info/METADATA").decode()
    listed = subprocess.run(
        ["git", "ls-files", "service"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    wanted = {name for name in listed if (ROOT / name).is_file()}
    assert wanted <= names
    assert {name[name.rindex(".") :] for name in wanted if "." in name} >= DATA
    runbooks = {f"service/web/docs/runbooks/{path.name}" for path in (ROOT / "deploy/runbooks").glob("*.md")}
    assert runbooks <= names
    assert {name.split("/")[0] for name in names - wanted - runbooks} == {
        f"otp_fallback-{service.__version__}.dist-info"
    }
    assert f"Version: {service.__version__}\n" in metadata


def test_the_bill_of_materials_names_all_that_is_locked(made):
    bill = json.loads(of(made, ".cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["purl"] == f"pkg:pypi/otp-fallback@{service.__version__}"
    found = {(canonicalize_name(one["name"]), one["version"]) for one in bill["components"]}
    packages = locked("requirements.lock")
    assert found <= {(name, version) for name, versions in packages.items() for version, _ in versions}
    assert len(found) > 0.9 * len(packages)  # a few are for other systems only
    assert all(component.get("licenses") for component in bill["components"])


def test_version_tag_and_changelog_agree():
    check, version_of = MADE["check"], MADE["version_of"]
    assert version_of((ROOT / "service/__init__.py").read_text()) == service.__version__
    changelog = "# Changelog\n\n## 1.2.3 - 2026-01-31\n\n- x\n"
    check("v1.2.3", "1.2.3", changelog)
    for tag, version, text in (
        ("1.2.3", "1.2.3", changelog),
        ("v1.2.4", "1.2.3", changelog),
        ("v1.2.4", "1.2.4", changelog),
        ("v1.2.3", "1.2.3", changelog.replace(" - 2026-01-31", "")),
    ):
        with pytest.raises(ValueError, match=r"the tag is|CHANGELOG"):
            check(tag, version, text)
    with pytest.raises(ValueError, match="no __version__"):
        version_of('__version__ = "1.2"\n')


def test_the_client_has_the_same_version(made):
    assert of(made, "client-*.whl").name.startswith(f"otp_fallback_client-{service.__version__}-")


def test_a_tag_that_does_not_fit_makes_no_release(tmp_path):
    done = call(tmp_path / "dist", "--tag", "v999.0.0")
    assert done.returncode == 1
    assert "the tag is v999.0.0" in done.stdout
    assert not (tmp_path / "dist").exists()
