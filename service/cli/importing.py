"""`otp-fallback import`."""

import sys
from itertools import chain
from typing import cast

import typer

from service.cli.backup import looks_like_backup, restore
from service.cli.files import lines_of
from service.cli.output import as_json, core, fail, require_application
from service.domain.errors import OtpError
from service.domain.importing import Format, Refusal, guess_format, read
from service.flows.importing import ImportFactors

FORMATS = ("auto", "uri", "csv", "json", "backup")
SHOWN = 20  # refused lines told one by one, unless all are asked for by --json


def import_file(
    file: str, form: str, application: str, dry_run: bool, replace: bool, json_output: bool
) -> None:
    """Import a file."""
    if form not in FORMATS:
        fail(f"--format: expected {', '.join(FORMATS)}")
    if form == "backup" or (form == "auto" and looks_like_backup(file)):
        restore(file, dry_run, replace, json_output)
        return
    if replace:
        fail("--replace: for backups only")
    require_application(application)
    added = known = 0
    refused: list[Refusal] = []
    with core() as c:
        importer = ImportFactors(c.users, key=c.keyring.names, clock=c.clock)
        try:
            with lines_of(file, "importing") as source:
                lines = (line.decode() for line in source)
                first = next(lines, "")
                wanted = guess_format(first) if form == "auto" else cast("Format", form)
                entries = read(chain([first], lines), wanted)
                for taken in importer(application, entries, dry_run=dry_run):
                    added, known = added + taken.added, known + taken.known
                    refused += taken.refused
        except UnicodeDecodeError:
            fail(f"{file}: not in UTF-8{_go_on(added)}")
        except ValueError as error:
            fail(f"{file}: {error}{_go_on(added)}")
        except OSError as error:
            fail(f"{file}: {error.strerror}")
        except OtpError as error:
            fail(f"{error.detail}{_go_on(added)}", 1)
    refused.sort(key=lambda one: one.line)
    if json_output:
        lines_refused = [{"line": one.line, "reason": one.why} for one in refused]
        as_json({"added": added, "known": known, "refused": lines_refused, "dry_run": dry_run})
    else:
        _report(added, known, refused, dry_run)
    if refused:
        raise typer.Exit(1)


def _report(added: int, known: int, refused: list[Refusal], dry_run: bool) -> None:
    print(f"{added} {'would be ' if dry_run else ''}added, {known} already there, {len(refused)} refused")
    for one in refused[:SHOWN]:
        print(f"  line {one.line}: {one.why}", file=sys.stderr)
    if len(refused) > SHOWN:
        print(f"  and {len(refused) - SHOWN} more; --json lists all", file=sys.stderr)


def _go_on(added: int) -> str:
    return f" ({added} were added before; run it again to go on)" if added else ""
