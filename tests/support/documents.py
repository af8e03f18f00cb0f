"""Texts in Markdown: their commands, run against a running service; their links."""

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import typer.main

from service.cli.main import app
from service.web.docs.markdown import anchor_of
from tests.support.commands import quick_commands
from tests.support.stack import API_KEY, ROOT, Stack

HERE = "http://127.0.0.1:8080"  # what texts call the service
NOT_RUN = "not-run"


@dataclass(frozen=True)
class Block:
    """A fenced block of a text: the words after its fence, and what is in it."""

    info: tuple[str, ...]
    text: str


def blocks(path: Path) -> list[Block]:
    found = re.findall(r"^```(\S[^\n]*)\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(tuple(info.split()), text) for info, text in found]


def run_commands(path: Path, stack: Stack, **given: str) -> list[str]:
    """Run every `sh` block that is not marked; each as a reader does, with the last challenge's id at hand."""
    env = {
        **stack.env,
        **quick_commands(),
        "OTP_PUBLIC_URL": stack.url,
        "OTP_API_KEY": API_KEY,
        **given,
    }
    said = []
    for block in blocks(path):
        if block.info[0] != "sh" or NOT_RUN in block.info:
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text.replace(HERE, stack.url)],
            env=env, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{path.name}: {block.text}\n{done.stdout}{done.stderr}"
        told = _json(done.stdout)
        assert not any({"code", mark} <= told.keys() for mark in ("request_id", "more_info")), (
            f"{path.name}: {block.text}\n{done.stdout}"
        )
        if str(told.get("id", "")).startswith("ch_"):
            env["CHALLENGE_ID"] = told["id"]
        said.append(done.stdout)
    return said


def require_real_commands(path: Path) -> int:
    """Every `otp-fallback …` and `make …` that is not run names a command and options that there are; how many."""
    text = path.read_text("utf-8")
    marked = [b.text for b in blocks(path) if b.info[0] == "sh" and NOT_RUN in b.info]
    outside = re.sub(r"^```\S.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", outside)]
    lines = [line.partition("#")[0] for block in marked for line in block.splitlines()]
    makes = (ROOT / "Makefile").read_text()
    number = 0
    for line in (*spans, *lines):
        words = line.split()
        if words[:1] == ["otp-fallback"] and len(words) > 1:
            _require_command(words[1:], f"{path.name}: {line}")
            number += 1
        elif words[:1] == ["make"]:
            assert re.search(rf"^{words[1]}:", makes, re.MULTILINE), f"{path.name}: {line}"
            number += 1
    return number


def _require_command(words: list[str], where: str) -> None:
    command = typer.main.get_command(app)
    while words and hasattr(command, "commands") and "|" not in words[0]:
        if words[0] not in command.commands:
            break
        command, words = command.commands[words[0]], words[1:]
    if hasattr(command, "commands"):
        alternatives = words[0].split("|") if words else []
        assert not words or words[0].startswith("-") or all(a in command.commands for a in alternatives), (
            where
        )
        assert words or command.name != "otp-fallback", where
        return
    known = {option for parameter in command.params for option in parameter.opts}
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.partition("=")[0] in known, f"{where}: {word}"


def require_links(path: Path) -> int:
    """Every link that leads to a file, or to a heading of one, leads to something; how many."""
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8"))
    # Pages that are made from the code are followed where they are served.
    inside = [target for target in targets if "://" not in target and not target.startswith("/docs/")]
    for target in inside:
        name, _, fragment = target.partition("#")
        file = (path.parent / name) if name else path
        assert file.exists(), f"{path.name} leads to {target}"
        if fragment:
            headings = re.findall(r"^#+ (.+)$", file.read_text("utf-8"), re.MULTILINE)
            assert fragment in {anchor_of(heading.replace("`", "")) for heading in headings}, target
    return len(inside)


def _json(text: str) -> dict:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
