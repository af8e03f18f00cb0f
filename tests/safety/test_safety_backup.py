"""A backup brings everything back; a file that was tampered with brings nothing."""

import base64
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.domain.errors import BackupUnusable, KeyUnusable
from service.store import backup
from service.store.sealing import Sealer
from service.store.snapshot import Kept
from tests.support.stack import Stack, running

KEYS = {"k1": b"1" * 32}
VALUES = [Kept(f"otp:{{00}}:u:{n}", "string", b"value %d" % n, n % 3 * 1000) for n in range(1200)]


def written(values, keys=KEYS) -> bytes:
    counter = iter(range(1000))
    file = io.BytesIO()
    sealer = Sealer(keys)
    list(backup.write(file, values, sealer, now=1, random_bytes=lambda n: bytes([next(counter) % 256]) * n))
    return file.getvalue()


def read(raw, keys=KEYS):
    return [value for part in backup.read(io.BytesIO(raw), Sealer(keys)) for value in part]


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 1200])
def test_what_is_written_is_read(count):
    assert read(written(VALUES[:count])) == VALUES[:count]


WHOLE = written(VALUES)


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_no_byte_can_be_changed(place, change):
    raw = bytearray(WHOLE)
    raw[place] ^= change
    with pytest.raises((BackupUnusable, KeyUnusable)):
        read(bytes(raw))


@given(st.integers(0, len(WHOLE) - 1))
def test_nothing_can_be_cut_off(length):
    with pytest.raises((BackupUnusable, KeyUnusable)):
        read(WHOLE[:length])


def test_nothing_can_be_left_out_moved_or_added():
    head, _, rest = WHOLE.partition(b"\n")
    blocks = []
    while rest:
        size = 4 + int.from_bytes(rest[:4])
        blocks.append(rest[:size])
        rest = rest[size:]
    assert len(blocks) == 3
    for wrong in ([0, 2], [1, 0, 2], [0, 1], [0, 1, 2, 2], [2]):
        with pytest.raises(BackupUnusable):
            read(head + b"\n" + b"".join(blocks[n] for n in wrong))


def test_another_key_and_another_form():
    with pytest.raises(KeyUnusable):
        read(WHOLE, {"k2": b"2" * 32})
    head, _, rest = WHOLE.partition(b"\n")
    told = json.loads(head)
    with pytest.raises(BackupUnusable, match="form 9"):
        read(json.dumps({**told, backup.MARK: 9}).encode() + b"\n" + rest)
    with pytest.raises(BackupUnusable, match="not a backup"):
        read(b"otpauth://totp/x?secret=y\n")


def everything(stack: Stack) -> dict:
    """What a user of the API and an operator can see."""
    api = stack.api
    return {
        "ada": api("GET", "/v1/users/ada/factors").json(),
        "mode": api("GET", "/v1/ops/mode").json(),
        "audit": [e["hash"] for e in api("GET", "/v1/ops/audit").json()["entries"]],
        "readiness": api("GET", "/v1/ops/readiness").json(),
        "jwks": api("GET", "/.well-known/jwks.json").json(),
    }


def test_a_restore_gives_the_same_answers(cli, tmp_path):
    file = tmp_path / "backup"
    with running(worker_process=True) as stack:
        app, codes = stack.api.enroll("ada")
        stack.api("PUT", "/v1/users/ada/contacts", {"email": "ada@example.com"})
        assert stack.api.verify(stack.api.start("ada")["id"], codes[0]).json()["valid"]
        stack.api("PUT", "/v1/ops/mode", {"mode": "fallback", "country": "+91", "reason": "x"})
        pending = stack.api.start("ada")
        before = everything(stack)
        # As when the index of addresses was read before the user had one, and the user afterwards.
        (noted,) = stack.redis().scan_iter("otp:*:w:*")
        stack.redis().delete(noted)
        done = cli(stack.env, "export", file, "--json")
        assert done["records"] > 10
        assert file.stat().st_mode & 0o777 == 0o600
        raw = file.read_bytes()
        assert b"ada@example.com" not in raw
        assert b"otp:" not in raw.partition(b"\n")[2]
        # Not onto what is there, unless told to.
        assert "not empty" in cli(stack.env, "import", file, code=1)
        assert everything(stack)["ada"] == before["ada"]
    with running(worker_process=True) as other:
        for process in (other.web, other.worker):
            process.kill()
        assert cli(other.env, "import", file, "--dry-run", "--json")["dry_run"]
        other.redis().flushall()
        wrong = {**other.env, "OTP_MASTER_KEYS": "k9:" + base64.b64encode(b"9" * 32).decode()}
        assert "k1" in cli(wrong, "import", file, code=1)
        assert other.redis().dbsize() == 0
        assert cli(other.env, "import", file, "--json")["records"] == done["records"]
        assert list(other.redis().scan_iter("otp:*:w:*")) == [noted]
        other.start_web()
        other.worker.start()
        after = everything(other)
        assert {**after, "audit": after["audit"][-len(before["audit"]) :]} == before
        assert cli(other.env, "audit", "verify", "--json")["valid"]
        # A challenge that was under way goes on; a used code stays used, an unused one works once.
        assert other.api.verify(pending["id"], codes[0]).json()["valid"] is False
        assert other.api.verify(pending["id"], codes[1]).json()["valid"]
        assert other.api.verify(other.api.start("ada")["id"], app.now()).json()["valid"]
        # In place of what is there.
        cli(other.env, "import", file, "--replace")
        assert other.api("GET", "/v1/users/ada/factors").json() == before["ada"]


def test_bad_files(cli, tmp_path):
    with running() as stack:
        assert "No such file" in cli(stack.env, "import", tmp_path / "none", "--format", "backup", code=2)
        (tmp_path / "text").write_text("hello\n")
        assert "not a backup" in cli(stack.env, "import", tmp_path / "text", "--format", "backup", code=1)
        cli(stack.env, "import", tmp_path / "text", "--replace", code=2)
        cli(stack.env, "export", "-", "--json", code=2)
        assert "No such file" in cli(stack.env, "export", tmp_path / "no" / "folder", code=2)
