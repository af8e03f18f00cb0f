"""The command lines of what `serve` runs. Tests put others in their place."""

import sys
from dataclasses import dataclass
from pathlib import Path

import service
from service.runtime.folder import DataFolder
from service.runtime.generated import SandboxAccount


def _python(*words: str) -> tuple[str, ...]:
    """Run a module of ours: never one of the same name from the folder the user happens to be in."""
    from_checkout = Path(service.__file__).parent.parent == Path.cwd()
    return (sys.executable, *(() if from_checkout else ("-P",)), *words)


@dataclass(frozen=True, kw_only=True)
class Commands:
    """What to run for each part."""

    app: str = "service.http.wsgi:app"
    worker: tuple[str, ...] = ("-m", "service.worker")
    bootstrap: tuple[str, ...] = ("-m", "service.runtime.bootstrap")
    sandbox: tuple[str, ...] = ("-m", "service.sandbox")

    def web(self, listener: int, workers: int) -> tuple[str, ...]:
        """The web server, on a listening socket that it inherits."""
        return _python(
            *("-m", "service.runtime.web", "-c", "python:service.runtime.gunicorn_conf"),
            *("--bind", f"fd://{listener}", "--workers", str(workers), self.app),
        )

    def outbox_worker(self) -> tuple[str, ...]:
        """The process that drains the outbox and minds deadlines."""
        return _python(*self.worker)

    def first_key(self, *, invent: bool) -> tuple[str, ...]:
        """The process that brings the state up and makes the first API key, of its own only if told so."""
        return _python(*self.bootstrap, *(() if invent else ("--given",)))

    def twilio_sandbox(
        self, folder: DataFolder, account: SandboxAccount, port: int, smtp_port: int
    ) -> tuple[str, ...]:
        """The sandbox; its account's token goes by the environment."""
        return _python(
            *self.sandbox,
            *("--host", "127.0.0.1", "--port", str(port), "--smtp-port", str(smtp_port)),
            *("--data", str(folder.sandbox_database)),
            *("--account-sid", account.account_sid, "--service-sid", account.service_sid),
        )
