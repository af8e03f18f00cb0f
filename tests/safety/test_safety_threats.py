"""The threat model names tests and files that are there, and leaves no requirement out."""

import re

import pytest

from tests.support.stack import ROOT

TEXT = (ROOT / "deploy" / "security.md").read_text("utf-8")
# How many requirements each section of OWASP ASVS 5.0's chapters has.
ASVS = {
    "6.1": 3,
    "6.2": 12,
    "6.3": 8,
    "6.4": 6,
    "6.5": 8,
    "6.6": 4,
    "6.7": 2,
    "6.8": 4,
    "7.1": 3,
    "7.2": 4,
    "7.3": 2,
    "7.4": 5,
    "7.5": 3,
    "7.6": 2,
}
STATES = ("met", "partly", "otherwise", "none")


def rows(heading):
    """The rows of the table below a heading, as lists of cells."""
    (table,) = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names_of_tests():
    return {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
    }


def test_every_guard_is_shown_by_a_test():
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 80
    assert named - names_of_tests() == set()
    threats = rows("Threats")
    assert len(threats) >= 40
    for row in threats:
        assert len(row) == 3, row
        assert re.search(r"`test_\w+`", row[-1]), row


@pytest.mark.parametrize(
    "heading",
    [
        "V6 Authentication",
        "V7 Sessions",
        "Elsewhere in it",
        "NIST SP 800-63B-4, as far as a verifier is concerned",
    ],
)
def test_every_requirement_has_its_test_its_file_or_somebody_else_who_sees_to_it(heading):
    there = names_of_tests()
    for row in rows(heading):
        assert len(row) == 4, row
        shown = [part.strip() for part in row[-1].split(",")]
        for part in shown:
            name = part.strip("`")
            is_test = name.startswith("test_") and name in there
            assert is_test or part == "the application" or (ROOT / name).is_file(), row


def numbers(cell):
    """Single numbers from a range or a list of them."""
    for part in cell.split(", "):
        first, _, last = part.partition("\N{EN DASH}")
        section, _, begin = first.rpartition(".")
        for number in range(int(begin), int((last or first).rpartition(".")[2]) + 1):
            yield f"{section}.{number}"


@pytest.mark.parametrize("heading", ["V6 Authentication", "V7 Sessions"])
def test_no_requirement_of_the_chapter_is_left_out(heading):
    chapter = heading[1]
    told = [number for row in rows(heading) for number in numbers(row[0])]
    asked = [
        f"{section}.{number}"
        for section, many in ASVS.items()
        if section.startswith(chapter)
        for number in range(1, many + 1)
    ]
    assert told == asked


def test_who_and_where_are_told():
    assert len(rows("Who might want it")) >= 8
    crossings = set(re.findall(r'"(\d)', TEXT))
    told = {number for row in rows("Where trust ends") for number in re.findall(r"\d", row[0])}
    assert crossings == told
