"""`otp-fallback import` as an operator runs it, and the codes of what it took over."""

import base64
import json
import os
import sys
import time

import pexpect
import pyotp
import pytest

from tests.support.commands import otp_fallback
from tests.support.stack import ROOT, running


@pytest.fixture(scope="module")
def stack():
    with running() as found:
        yield found


@pytest.fixture
def run(stack):
    def command(*words, text=None):
        return otp_fallback(stack.env, "import", *words, text=text or "")

    return command


def secret() -> str:
    return base64.b32encode(os.urandom(20)).decode()


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize(("digits", "period"), [(6, 30), (7, 30), (8, 60), (6, 60)])
def test_codes_of_what_was_taken_over(stack, run, algorithm, digits, period):
    user, key = f"{algorithm}-{digits}-{period}", secret()
    record = {"user": user, "secret": key, "algorithm": algorithm, "digits": digits, "period": period}
    assert run("-", text=json.dumps(record)).returncode == 0
    import hashlib

    app = pyotp.TOTP(key, digits=digits, interval=period, digest=getattr(hashlib, algorithm.lower()))
    challenge = stack.api.start(user)
    assert challenge["channel"] == "totp"
    wrong = app.at(time.time() + 20 * period)
    assert not stack.api.verify(challenge["id"], wrong).json()["valid"]
    code = app.now()
    assert stack.api.verify(challenge["id"], code).json()["valid"]
    again = stack.api.start(user)
    assert not stack.api.verify(again["id"], code).json()["valid"]


def test_twice_changes_nothing(stack, run, tmp_path):
    file = tmp_path / "export.csv"
    rows = [f"twice-{number},{secret()}" for number in range(1203)]
    file.write_text("user,secret\n" + "\n".join(rows) + "\n")
    first = json.loads(run(file, "--json").stdout)
    assert first == {"added": 1203, "known": 0, "refused": [], "dry_run": False}
    before = stack.api("GET", "/v1/users/twice-7/factors").json()
    assert json.loads(run(file, "--json").stdout) == {**first, "added": 0, "known": 1203}
    assert stack.api("GET", "/v1/users/twice-7/factors").json() == before
    assert len(before["factors"]) == 1


def test_a_dry_run_changes_nothing_and_foretells_the_run(stack, run):
    text = f"user,secret\ndry,{secret()}\ndry,{secret()}\n,x\n"
    foretold = run("-", "--dry-run", "--json", text=text)
    assert foretold.returncode == 1
    told = json.loads(foretold.stdout)
    assert (told["added"], told["dry_run"]) == (2, True)
    assert stack.api("GET", "/v1/users/dry/factors").json()["factors"] == []
    assert json.loads(run("-", "--json", text=text).stdout) == {**told, "dry_run": False}
    assert len(stack.api("GET", "/v1/users/dry/factors").json()["factors"]) == 2


def test_what_users_have_stays(stack, run):
    app, codes = stack.api.enroll("kept")
    assert run("-", text=f"otpauth://totp/Shop:kept?secret={secret()}").returncode == 0
    assert len(stack.api("GET", "/v1/users/kept/factors").json()["factors"]) == 2
    assert stack.api.verify(stack.api.start("kept")["id"], app.now()).json()["valid"]
    assert stack.api.verify(stack.api.start("kept")["id"], codes[0]).json()["valid"]
    # The same app under its own secret is known.
    assert "0 added, 1 already there" in run("-", text=f"otpauth://totp/Shop:kept?secret={app.secret}").stdout


def test_the_report_of_refused_lines(run, stack):
    keys = [secret() for _ in range(12)]
    lines = ["user,secret,digits", *(f"full,{key}," for key in keys), "nobody,sh0rt1,", f"nine,{keys[0]},9"]
    done = run("-", text="\n".join(lines))
    assert done.returncode == 1
    assert done.stdout == "10 added, 0 already there, 4 refused\n"
    assert done.stderr.splitlines() == [
        "  line 12: user: has 10 authenticator apps",
        "  line 13: user: has 10 authenticator apps",
        "  line 14: secret: expected base 32",
        "  line 15: digits: expected 6, 7 or 8",
    ]
    assert not any(key in done.stdout + done.stderr for key in keys)
    assert not any(key in stack.everything_stored() for key in keys)
    many = run("-", text="user,secret\n" + "x,y\n" * 50)
    assert len(many.stderr.splitlines()) == 21
    assert len(json.loads(run("-", "--json", text="user,secret\n" + "x,y\n" * 50).stdout)["refused"]) == 50


def test_another_application(stack, run):
    assert run("-", "--application", "other", text=f"otpauth://totp/appl?secret={secret()}").returncode == 0
    assert stack.api("GET", "/v1/users/appl/factors").json()["factors"] == []


@pytest.mark.parametrize(
    ("words", "text", "said"),
    [
        (["/nowhere.csv"], None, "/nowhere.csv: No such file or directory"),
        (["-"], "some,thing\n", "-: expected a CSV header with user, secret"),
        (["-", "--format", "xml"], "", "--format: expected auto, uri, csv, json"),
        (["-", "--application", "a b"], "", "--application: "),
        (["-"], "[1,", "-: expected a JSON array"),
    ],
)
def test_wrong_usage(run, words, text, said):
    done = run(*words, text=text)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_text(run, tmp_path):
    file = tmp_path / "photo.csv"
    file.write_bytes(f"user,secret\nzoe,{secret()}\n".encode() + b"\xff\xfe\xfa\n")
    done = run(file)
    assert done.returncode == 2
    assert "not in UTF-8" in done.stderr


def test_when_redis_goes_away_it_says_so_and_a_second_run_goes_on(stack, run, tmp_path):
    file = tmp_path / "export.csv"
    file.write_text("user,secret\n" + "".join(f"away-{n},{secret()}\n" for n in range(50)))
    stack.valkey.kill()
    try:
        done = run(file)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
    finally:
        stack.start_valkey()
    assert run(file).stdout == "50 added, 0 already there, 0 refused\n"


def test_a_progress_bar_on_a_terminal_only(stack, run, tmp_path):
    file = tmp_path / "export.csv"
    file.write_text("user,secret\n" + "".join(f"bar-{n},{secret()}\n" for n in range(3000)))
    child = pexpect.spawn(
        sys.executable,
        ["-m", "service.cli", "import", str(file)],
        env={**stack.env, "TERM": "xterm", "COLUMNS": "100"},
        cwd=ROOT,
        encoding="utf-8",
        timeout=60,
    )
    child.expect("importing")
    child.expect("3000 added")
    child.expect(pexpect.EOF)
    assert "\x1b" not in run(file).stdout


def test_an_import_is_an_event_without_anything_personal(stack, run):
    assert run("-", text=f"otpauth://totp/eventful?secret={secret()}").returncode == 0
    event = [e for e in stack.events() if e["type"] == "factor.imported"][-1]
    assert event.keys() == {"type", "application", "user", "factors"}
