"""The types for TypeScript are those of the API, and do what types are for."""

import json
import os
import re
import subprocess

import pytest

from tests.support.stack import API_KEY, ROOT
from tests.support.tools import independent

HERE = ROOT / "tests" / "client"
PACKAGE = ROOT / "service" / "client" / "typescript"
TYPES = "otp-fallback.d.ts"
OPTIONS = ("--strict", "--target", "es2022", "--module", "nodenext", "--pretty", "false")


@pytest.fixture(scope="module")
def modules():
    """The compiler and its like, as they are locked."""
    node = independent("node")
    if not (PACKAGE / "node_modules" / ".bin" / "tsc").exists():
        if os.environ.get("OTP_REQUIRE_TOOLS"):
            pytest.fail("service/client/typescript has no node_modules: make node")
        pytest.skip("service/client/typescript has no node_modules: make node")
    return node, PACKAGE / "node_modules"


@pytest.fixture
def run(modules, tmp_path):
    """Runs one of the package's tools in a folder that has the types."""
    node, found = modules
    (tmp_path / "node_modules").symlink_to(found)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / TYPES).write_text((PACKAGE / TYPES).read_text("utf-8"))

    def do(*words, **env):
        return subprocess.run(
            [node, *map(str, words)], cwd=tmp_path, env={"PATH": os.environ["PATH"], **env},
            capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip

    return do


def test_they_are_what_the_description_says(run, tmp_path):
    script = json.loads((PACKAGE / "package.json").read_text())["scripts"]["generate"].split()
    assert script[:2] == ["openapi-typescript", "../../../openapi.yaml"]
    options = [word for word in script if word.startswith("--") and word != "--output"]
    made = tmp_path / "made.d.ts"
    tool = "node_modules/openapi-typescript/bin/cli.js"
    done = run(tool, ROOT / "openapi.yaml", *options, "--output", made)
    assert done.returncode == 0, done.stderr
    assert made.read_text("utf-8") == (PACKAGE / TYPES).read_text("utf-8"), "make types-ts"


def test_a_login_compiles_and_runs(run, tmp_path, stack, api, person):
    (tmp_path / "usage.ts").write_text((HERE / "usage.ts").read_text("utf-8"))
    done = run("node_modules/typescript/bin/tsc", *OPTIONS, "usage.ts")
    assert done.returncode == 0, done.stdout
    _, codes = api.enroll(person.id)
    env = {"OTP_URL": stack.url, "OTP_API_KEY": API_KEY, "OTP_USER": person.id, "OTP_CODE": codes[0]}
    done = run("usage.js", **env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "told": "totp ",
        "status": "approved",
        "user": person.id,
        "missing": "challenge_not_found",
    }


def test_misuse_is_refused(run, tmp_path):
    text = (HERE / "misuse.ts").read_text("utf-8")
    (tmp_path / "misuse.ts").write_text(text)
    done = run("node_modules/typescript/bin/tsc", *OPTIONS, "--noEmit", "misuse.ts")
    assert done.returncode != 0
    refused = {int(line) for line in re.findall(r"^misuse\.ts\((\d+),", done.stdout, re.MULTILINE)}
    wrong = {n + 1 for n, line in enumerate(text.splitlines(), 1) if line.startswith("// error:")}
    assert refused == wrong
    assert len(wrong) == 7


def test_what_is_installed_is_locked():
    lock = json.loads((PACKAGE / "package-lock.json").read_text())
    packages = {name: facts for name, facts in lock["packages"].items() if name}
    assert all(facts["integrity"].startswith("sha512-") for facts in packages.values())
    wanted = json.loads((PACKAGE / "package.json").read_text())["devDependencies"]
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
