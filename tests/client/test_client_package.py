"""The client as a package: typed, light, on its own; and the README's examples, run."""

import json
import os
import re
import subprocess
import sys
import textwrap
import types
import zipfile

import pytest

from tests.support.stack import API_KEY, ROOT
from tests.support.tools import independent

FOLDER = ROOT / "service" / "client"


def blocks(heading, language):
    """The examples below a heading of the README."""
    text = (ROOT / "README.md").read_text("utf-8")
    (section,) = re.findall(rf"^### {heading}\n.*?(?=^##)", text, re.MULTILINE | re.DOTALL)
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def test_a_type_checker_accepts_use_and_finds_misuse(tmp_path):
    usage = ROOT / "tests" / "client" / "usage.py"
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-pretty", "--cache-dir", str(tmp_path), "--config-file=", str(usage)],
        cwd=ROOT, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    found = {int(line) for line in re.findall(r"usage\.py:(\d+): error", done.stdout)}
    wrong = {n for n, line in enumerate(usage.read_text().splitlines(), 1) if line.endswith("# wrong")}
    assert found == wrong, done.stdout
    assert len(wrong) == 9


def test_it_is_a_distribution_of_its_own(tmp_path):
    """Built, and used in a process that has nothing of the service."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=FOLDER, check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    script = """
        import sys
        from otp_fallback_client import AsyncOtpFallback, OtpFallback
        print(OtpFallback("https://otp.example", "secret"))
        assert not [name for name in sys.modules if name.split(".")[0] in ("service", "joserfc", "flask")]
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path, env={"PYTHONPATH": str(wheel)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout == "OtpFallback('https://otp.example')\n", done.stderr
    names = zipfile.ZipFile(wheel).namelist()
    assert "otp_fallback_client/py.typed" in names
    assert not any("node_modules" in name or "typescript" in name for name in names)


def test_the_clients_example(stack, sandbox, api):
    """A login by SMS, then one through an outage, as the README has it."""
    (text,) = blocks("Clients", "python")
    text = text.replace("http://127.0.0.1:8080", stack.url)
    _, codes = api.enroll("alice")
    logged_in, asked = [], []

    def run(answer):
        def ask_user(prompt, notice):
            asked.append(prompt.channel)
            return answer(prompt)

        os.environ["OTP_API_KEY"] = API_KEY
        exec(compile(text, "README.md", "exec"), {"ask_user": ask_user, "log_in": logged_in.append})

    try:
        run(lambda prompt: sandbox.code("+14155550123"))
        sandbox.fail("http_500")
        run(lambda prompt: codes[0])
    finally:
        del os.environ["OTP_API_KEY"]
    assert logged_in == ["alice", "alice"]
    assert asked == ["sms", "totp"]


@pytest.fixture
def proofs(api, people):
    """Somebody, a good proof and its challenge; a forged one; a good one of another challenge."""
    made = []
    for person in (people(), people()):
        _, codes = api.enroll(person.id)
        challenge = api.start(person.id)
        made.append((api.verify(challenge["id"], codes[0]).json()["proof"], challenge["id"], person.id))
    (good, challenge, user), (other, _, _) = made
    head, body, _ = good.split(".")
    return user, good, challenge, [f"{head}.{body}.{other.split('.')[2]}", other, f"{head}.{body}."]


def test_a_proof_is_checked_as_the_readme_says_in_python(stack, proofs):
    (text,) = blocks("Check proofs", "python")
    example = types.ModuleType("example")
    exec(compile(text.replace("http://127.0.0.1:8080", stack.url), "README.md", "exec"), vars(example))
    user, good, challenge, bad = proofs
    assert example.user_of(good, challenge) == user
    for proof in bad:
        with pytest.raises((PermissionError, example.jwt.PyJWTError)):
            example.user_of(proof, challenge)


def test_a_proof_is_checked_as_the_readme_says_in_node(stack, proofs, tmp_path):
    node = independent("node")
    modules = FOLDER / "typescript" / "node_modules"
    if not (modules / "jose").exists():
        if os.environ.get("OTP_REQUIRE_TOOLS"):
            pytest.fail("service/client/typescript has no node_modules: make node")
        pytest.skip("service/client/typescript has no node_modules: make node")
    (text,) = blocks("Check proofs", "js")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "example.mjs").write_text(text.replace("http://127.0.0.1:8080", stack.url))
    (tmp_path / "main.mjs").write_text(
        """import { userOf } from "./example.mjs";
        const [good, challenge, bad] = JSON.parse(process.argv[2]);
        const said = [await userOf(good, challenge)];
        for (const proof of bad) said.push(await userOf(proof, challenge).catch(() => "refused"));
        console.log(JSON.stringify(said));"""
    )
    done = subprocess.run(
        [node, "main.mjs", json.dumps(proofs[1:])],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [proofs[0], "refused", "refused", "refused"]
