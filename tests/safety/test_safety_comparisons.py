"""Nothing secret is compared with `==`, which takes the longer the more of it is right."""

import ast
import re

from tests.support.stack import ROOT

SECRET = re.compile(
    r"(^|_)(code|codes|token|secret|signature|digest|hash|hashed|mac|cookie|password|presented|proof|api_key)$"
)
# What has such a name and is none: codes of errors and countries, what was looked up by a keyed hash.
HARMLESS = {
    "calling_code",
    "phone.calling_code",
    "error_code",
    "report.error_code",
    "failure.code",
    "error.code",
    "exit_code",
    "fault.code",
    "http_code",
    "mcc_code",
    "response.status_code",
    "status_code",
    "twilio_code",
}


def names_of(node):
    """The names of what stands on a side: `user.code` and its last part, also of what a call is made on."""
    if isinstance(node, ast.Name):
        return {node.id}
    if isinstance(node, ast.Attribute):
        return {ast.unparse(node), node.attr} if ast.unparse(node) not in HARMLESS else set()
    if isinstance(node, ast.Call):
        return names_of(node.func)
    if isinstance(node, ast.Subscript):
        return names_of(node.value)
    return set()


def suspicious(tree):
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        if not any(isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for op in node.ops):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) for side in sides):  # a known word or number, nothing secret
            continue
        named = {name for side in sides for name in names_of(side)}
        if any(SECRET.search(name) for name in named - HARMLESS):
            yield node


def test_they_are_found():
    for text in ("a == user.secret", "x != self._signature(y)", "code in codes", "given == expected_hash"):
        assert list(suspicious(ast.parse(text))), text
    for text in ("error.code == 60203", "kind == other", "code == 'x'", "same_code(code, expected)"):
        assert not list(suspicious(ast.parse(text))), text


def test_none_is_compared_in_variable_time():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path in sorted((ROOT / "service").rglob("*.py"))
        if "sandbox" not in path.parts  # it hands its codes out
        for node in suspicious(ast.parse(path.read_text("utf-8")))
    ]
    assert found == []
