"""Every command that the README and the documentation print runs, and ends as it should."""

import json

import pytest

from tests.support.commands import otp_fallback
from tests.support.documents import blocks, require_links, require_real_commands, run_commands
from tests.support.stack import ROOT, wait_until

CONTENT = ROOT / "service" / "web" / "docs" / "content"
GUIDES = sorted(CONTENT.glob("*.md"))
# Runbooks and the threat model have tests of their own.
DEPLOY = [
    path
    for path in sorted((ROOT / "deploy").rglob("*.md"))
    if not {"runbooks", "node_modules"} & set(path.parts) and path.name != "security.md"
]
TEXTS = [ROOT / "README.md", *DEPLOY, *GUIDES]
WITH_COMMANDS = [path for path in TEXTS if any(b.info == ("sh",) for b in blocks(path))]


@pytest.fixture
def scene(stack, tmp_path):
    """Somebody with an app who mistyped codes, a worker that decides, an API key, a place for a backup."""
    wait_until(lambda: stack.api("GET", "/v1/ops/health").json()["deciding"], 30)
    stack.api.enroll("alice")
    started = stack.api.start("alice")
    stack.api.verify(started["id"], "000000")
    done = otp_fallback(stack.env, "keys", "create", "--name", "old", "--scope", "ops", "--json", check=True)
    return {"KEY": json.loads(done.stdout)["id"], "BACKUP": str(tmp_path / "backup")}


@pytest.mark.timeout(300)  # the README has many, each a process of its own
@pytest.mark.parametrize("path", WITH_COMMANDS, ids=lambda path: path.stem)
def test_commands(path, stack, scene):
    assert run_commands(path, stack, **scene)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_what_is_not_run_is_real_all_the_same(path):
    require_real_commands(path)


def test_a_command_that_there_is_not_is_found(tmp_path):
    wrong = tmp_path / "wrong.md"
    for words in ("`otp-fallback nonsense`", "`otp-fallback mode --nonsense`", "`make nonsense`"):
        wrong.write_text(words)
        with pytest.raises(AssertionError):
            require_real_commands(wrong)
    wrong.write_text("[there](nothing.md)")
    with pytest.raises(AssertionError):
        require_links(wrong)


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_links(path):
    require_links(path)
