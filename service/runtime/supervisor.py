"""Keeps children alive, listens to signals, and ends the children in order. One thread, one loop."""

import os
import selectors
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Self, TypeVar

from service.runtime.children import Child, Program, how_it_ended
from service.runtime.errors import ChildFailed
from service.telemetry import logs

POLL = 0.02  # seconds between looks at something that does not wake us
END_WITHIN = 15.0  # seconds for all children together, then they are killed
TICK = 60.0  # seconds between calls of `on_tick`
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

_log = logs.get("serve")
Found = TypeVar("Found")


class StopRequested(Exception):
    """SIGTERM or SIGINT came."""


class Supervisor:
    """A context in which children are kept alive; leaving it ends them all, the last started first.

    Make one per process, in its main thread and only thread: on Linux children are tied to that thread.

    Args:
        on_hangup: called on SIGHUP.
        on_tick: called about once a minute.

    """

    def __init__(
        self, on_hangup: Callable[[], None] = lambda: None, on_tick: Callable[[], None] = lambda: None
    ) -> None:
        self._children: list[Child] = []
        self._on_hangup = on_hangup
        self._on_tick = on_tick
        self._next_tick = time.monotonic() + TICK
        self._selector = selectors.DefaultSelector()
        self._partial: dict[int, bytes] = {}  # descriptor of a child's output: its unfinished line
        self._stop = False
        self._ending = False
        self._hurry = False

    def __enter__(self) -> Self:
        self._lifeline, self._lifeline_end = os.pipe()
        self._wake, self._wakeup = os.pipe()
        for descriptor in (self._wake, self._wakeup):
            os.set_blocking(descriptor, False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)
        for number in SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN or number != signal.SIGHUP:  # nohup stays
                signal.signal(number, _noted)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._end()
        finally:
            signal.set_wakeup_fd(-1)
            self._selector.close()
            for descriptor in (self._lifeline, self._lifeline_end, self._wake, self._wakeup):
                os.close(descriptor)

    def start(self, program: Program) -> Child:
        """Start a child and keep it alive from now on."""
        child = Child(program)
        self._children.append(child)
        self._spawn(child)
        return child

    def wait_for(self, look: Callable[[], Found | None], *, within: float, otherwise: str) -> Found:
        """Look until something is found, minding the children meanwhile.

        Args:
            look: returns None while it is not there.
            within: seconds.
            otherwise: what to say when it is not there by then.

        Raises:
            ChildFailed: the time is up, or a child can't be kept alive.
            StopRequested: a signal came.

        """
        deadline = time.monotonic() + within
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise ChildFailed(otherwise)
            self._turn(POLL)
        return found

    def run(self) -> None:
        """Mind the children until a signal comes.

        Raises:
            ChildFailed: a child can't be kept alive.
            StopRequested: a signal came.

        """
        while True:
            self._turn(TICK)

    def _turn(self, timeout: float) -> None:
        """Wait for one thing to happen, and do what it asks for."""
        if not self._ending:
            due = [child.restart_at for child in self._children if child.restart_at is not None]
            timeout = min([timeout, *(at - time.monotonic() for at in [self._next_tick, *due])])
        for key, _ in self._selector.select(max(0.0, timeout)):
            if key.fd == self._wake:
                self._hear(os.read(self._wake, 4096))
            else:
                self._read(key.fd, key.data)
        self._reap()
        if self._ending:
            return
        if self._stop:
            raise StopRequested
        self._restart_due()
        if time.monotonic() >= self._next_tick:
            self._next_tick = time.monotonic() + TICK
            self._on_tick()

    def _hear(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGHUP:
                self._on_hangup()
            elif number in {signal.SIGTERM, signal.SIGINT}:
                self._hurry = self._hurry or (self._stop and number == signal.SIGINT)
                self._stop = True

    def stop(self) -> None:
        """Stop as if SIGTERM had come."""
        self._stop = True

    def _spawn(self, child: Child) -> None:
        child.start(self._lifeline)
        output = child.process.stdout if child.process else None
        if output is not None:
            os.set_blocking(output.fileno(), False)
            self._selector.register(output.fileno(), selectors.EVENT_READ, child)

    def _read(self, descriptor: int, child: Child) -> bool:
        """Pass on what a child printed; whether there may be more."""
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return False
        *lines, rest = (self._partial.pop(descriptor, b"") + data).split(b"\n")
        for line in lines:
            if child.program.says is not None:
                child.program.says(line.decode(errors="replace"))
        if data:
            self._partial[descriptor] = rest
        else:
            self._selector.unregister(descriptor)
        return bool(data)

    def _reap(self) -> None:
        """Take in whatever ended. As process 1 of a container that may be grandchildren, too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self._children:
                if child.pid == pid:
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, exit_status: int) -> None:
        output = child.process.stdout if child.process else None
        if output is not None:
            while output.fileno() in self._selector.get_map() and self._read(output.fileno(), child):
                pass
            with suppress(KeyError):
                self._selector.unregister(output.fileno())
            self._partial.pop(output.fileno(), None)
            output.close()
        child.ended(exit_status)
        name, ending = child.program.name, how_it_ended(exit_status)
        if self._ending or child.program.once:
            return
        if child.hopeless:
            raise ChildFailed(
                f"{name} ended {child.failures} times in a row within seconds of its start ({ending}):"
                f" see {child.program.log}"
            )
        pause = (child.restart_at or 0.0) - time.monotonic()
        _tell("process_ended", process=name, ending=ending, restart_in=round(max(pause, 0.0), 1))

    def _restart_due(self) -> None:
        for child in self._children:
            if child.restart_at is not None and child.restart_at <= time.monotonic():
                self._spawn(child)
                _tell("process_restarted", process=child.program.name, pid=child.pid)

    def _end(self) -> None:
        self._ending = True
        deadline = time.monotonic() + END_WITHIN
        for child in reversed(self._children):
            if child.pid is None:
                continue
            # A second Ctrl-C ends the patience; only what asked for a gentle end keeps a second.
            child.signal(signal.SIGTERM)
            asked = time.monotonic()
            while child.pid is not None:
                patience = min(child.program.grace, deadline - asked)
                if self._hurry:
                    patience = min(patience, 1.0 if child.program.gentle else 0.0)
                if time.monotonic() - asked >= max(patience, 0.0):
                    _tell("process_killed", process=child.program.name)
                    child.signal(signal.SIGKILL)
                    self._await_end(child)
                    break
                self._turn(POLL * 5)

    def _await_end(self, child: Child) -> None:
        """Wait for a killed child; one that hangs in the kernel is left to it."""
        until = time.monotonic() + 2
        while child.pid is not None and time.monotonic() < until:
            self._turn(POLL)


def _tell(event: str, **facts: object) -> None:
    """Log; that nobody reads the log any more is no reason to stop."""
    with suppress(OSError):
        _log.warning(event, **facts)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: the signal's number is in the wake-up pipe."""
