"""The threat model names tests that are there."""

import re

from tests.support.stack import ROOT


def test_every_guard_is_shown_by_a_test():
    text = (ROOT / "deploy" / "security.md").read_text("utf-8")
    named = set(re.findall(r"`(test_\w+)`", text))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert len(named) > 30
    assert named - there == set()
    (table,) = re.findall(r"^## Threats\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)
    for row in table.strip().splitlines()[2:]:
        assert re.search(r"`test_\w+`", row.rpartition("| ")[2]), row
