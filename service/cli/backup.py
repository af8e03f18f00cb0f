"""`otp-fallback export`, and `import` of what it wrote."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from service.cli.output import as_json, core, fail, operator, settings
from service.domain.errors import BackupUnusable, KeyUnusable
from service.runtime.progress import progress, upgrading
from service.store.backup import is_backup, read, write
from service.store.migrations.m0002_owners import run as note_owners
from service.store.schema import Schema
from service.store.snapshot import Kept, Snapshot


def looks_like_backup(file: str) -> bool:
    """Whether a file is one that `export` wrote."""
    if file == "-":
        return False
    try:
        with Path(file).open("rb") as source:
            return is_backup(source.read(64))
    except OSError:
        return False  # whoever reads it says why not


def export(file: str, json_output: bool) -> None:
    """Write everything to a file, readable with the master keys only."""
    if file == "-" and (json_output or sys.stdout.isatty()):
        fail("FILE: a backup is binary; name a file, or send it on without --json")
    with core() as c:
        values = Snapshot(c.store, clock=c.clock).read()
        count, users = 0, c.readiness()[0].users
        try:
            part = Path(f"{file}.part")
            target = sys.stdout.buffer if file == "-" else os.fdopen(_private(part), "wb")
            with target, progress("exporting", users) as advance:
                for count in write(target, values, c.sealer, now=c.clock(), random_bytes=c.random_bytes):
                    advance(count)
            if file != "-":
                part.replace(file)  # whole, or not there
        except OSError as error:
            fail(f"{file}: {error.strerror}")
        c.audit.note(operator(), "backup.export", after={"records": count})
    if json_output:
        as_json({"file": file, "records": count})
    elif file != "-":
        print(f"{count} records in {file}. It opens with OTP_MASTER_KEYS only: keep those apart from it.")


def restore(file: str, dry_run: bool, replace: bool, json_output: bool) -> None:
    """Bring a backup back."""
    from service.core import clock, open_store

    with settings() as found:
        store, sealer = open_store(found)
        snapshot = Snapshot(store, clock=clock)
        try:
            with Path(file).open("rb") as source:
                count = sum(len(values) for values in read(source, sealer))  # whole, before anything is done
                if not dry_run:
                    if replace:
                        snapshot.clear()
                    elif not snapshot.is_empty():
                        fail("this Redis is not empty: restore to an empty one, or with --replace", 1)
                    source.seek(0)
                    _restore(snapshot, read(source, sealer), count)
                    upgrading(Schema(store).bring_up(sealer))
                    # Values are of different moments: a user may be in the backup with a number that the
                    # index of numbers did not have when it was read, and would not count as who has it, too.
                    upgrading(note_owners(store, sealer))
        except OSError as error:
            fail(f"{file}: {error.strerror}")
        except (BackupUnusable, KeyUnusable) as error:
            fail(f"{file}: {error.detail}", 1)
    if json_output:
        as_json({"records": count, "dry_run": dry_run})
    else:
        print(f"{count} records {'would be ' if dry_run else ''}restored.")
        if not dry_run:
            print("Restart the service: its processes know the keys from before.")


def _restore(snapshot: Snapshot, parts: Iterable[list[Kept]], count: int) -> None:
    done = 0
    with progress("restoring", count) as advance:
        for values in parts:
            snapshot.write(values)
            done += len(values)
            advance(done)
    snapshot.settle()


def _private(path: Path) -> int:
    """A new file that nobody else may read."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
