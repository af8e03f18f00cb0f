"""What runs on a data folder, for other commands: `run.json`, there while `serve` runs. Nothing secret."""

import json
import os
from dataclasses import asdict, dataclass

from service.runtime.folder import DataFolder, read_json, write_private


@dataclass(frozen=True, kw_only=True)
class Running:
    """A running `serve`; None stands for what it does not run itself."""

    url: str
    port: int
    embedded_store: bool
    sandbox_url: str | None
    smtp_port: int | None
    pid: int


def write(folder: DataFolder, running: Running) -> None:
    """Tell other commands what runs."""
    write_private(folder.run_file, json.dumps(asdict(running)) + "\n")


def read(folder: DataFolder) -> Running | None:
    """What runs; None when nothing does, whatever a crash may have left behind."""
    kept = read_json(folder.run_file, folder.show(folder.run_file))
    if kept is None:
        return None
    try:
        running = Running(**kept)
        os.kill(running.pid, 0)
    except (TypeError, ProcessLookupError):
        return None
    except PermissionError:
        pass  # it runs as another user
    return running


def remove(folder: DataFolder) -> None:
    """Tell other commands that nothing runs."""
    folder.run_file.unlink(missing_ok=True)
