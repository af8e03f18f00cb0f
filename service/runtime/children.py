"""One child process: how it is started so that it ends with us, and how often it failed."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from service.runtime.parent_death import KERNEL_CAN, die_with_parent, guard_command

QUICK = 5.0  # seconds: one that ends sooner than this after its start has failed to start
FIRST_PAUSE = 0.1  # seconds before a restart, doubled by every quick failure
LONGEST_PAUSE = 5.0
QUICK_FAILURES = 5  # in a row, and it is given up


@contextmanager
def _nothing() -> Iterator[tuple[int, ...]]:
    yield ()


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run, and what is expected of it.

    Attributes:
        name: what it is called in logs.
        argv: its command line, the executable by its full path. No secrets: others can read it.
        env: its whole environment.
        pass_fds: descriptors that it inherits.
        grace: seconds between SIGTERM and SIGKILL.
        gentle: when we are killed it gets SIGTERM and `grace`, not SIGKILL at once.
        once: it ends by itself and is not restarted.
        log: where its last words can be read.
        holding: entered around each start; gives further descriptors to inherit.
        says: told each line of its standard output; without it they go to our standard error.

    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    pass_fds: tuple[int, ...] = ()
    grace: float = 3.0
    gentle: bool = False
    once: bool = False
    log: str = "its lines above"
    holding: Callable[[], AbstractContextManager[tuple[int, ...]]] = _nothing
    says: Callable[[str], None] | None = None


class Child:
    """A program and its present process."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.exit_status: int | None = None  # of the last process; negative: the signal that ended it
        self.restart_at: float | None = None
        self.failures = 0
        self._started_at = 0.0

    @property
    def pid(self) -> int | None:
        """The present process, None when there is none."""
        return self.process.pid if self.process else None

    def start(self, lifeline: int) -> None:
        """Start a process.

        It gets a session of its own, so that a terminal's Ctrl-C reaches only us and the end has an order.

        Args:
            lifeline: the pipe's end whose closing tells guards that we ended.

        """
        program = self.program
        guarded = program.gentle or not KERNEL_CAN
        argv = guard_command(lifeline, program.grace, program.argv) if guarded else program.argv
        with program.holding() as descriptors:
            self.process = subprocess.Popen(  # noqa: S603 - a `Program` of ours, no shell
                argv,
                env=program.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if program.says else 2,
                bufsize=0,
                pass_fds=(*program.pass_fds, *descriptors, *((lifeline,) if guarded else ())),
                start_new_session=True,
                umask=0o077,
                # Safe here: this process has one thread, and the function is ready to run.
                preexec_fn=partial(die_with_parent, os.getpid()) if not guarded else None,  # noqa: PLW1509
            )
        self.exit_status = self.restart_at = None
        self._started_at = time.monotonic()

    def ended(self, exit_status: int) -> None:
        """Note that the process was reaped, and when to start the next one."""
        assert self.process is not None  # noqa: S101 - for the type checker
        self.process.returncode = exit_status  # reaped by us, Popen must not try
        # Whatever the process left in its session, gunicorn's workers above all.
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process = None
        self.exit_status = exit_status
        if self.program.once:
            return
        now = time.monotonic()
        self.failures = self.failures + 1 if now - self._started_at < QUICK else 1
        self.restart_at = now + min(FIRST_PAUSE * 2 ** (self.failures - 1), LONGEST_PAUSE)

    @property
    def hopeless(self) -> bool:
        """Whether it failed too often to be tried again."""
        return self.failures >= QUICK_FAILURES

    def signal(self, number: int) -> None:
        """Send the process a signal, if there is one."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


def how_it_ended(exit_status: int) -> str:
    """An exit status in words."""
    if exit_status >= 0:
        return f"exit status {exit_status}"
    try:
        return f"signal {signal.Signals(-exit_status).name}"
    except ValueError:
        return f"signal {-exit_status}"
