"""Processes that end with their parent, whatever ends the parent: `kill -9` included.

On Linux the kernel does it (`die_with_parent`). Run as a script, this file is a guard between a parent and
one program: it ends the program when the parent's end of a pipe (the lifeline) closes, politely first
and for certain after a grace. A guard stands before every child where the kernel can't help (macOS), and
before Valkey everywhere: Valkey should get the SIGTERM that makes it write out its buffers, but a signal
that can be ignored or stuck must not be the last word when nobody is left to send another.

It imports only the standard library: the guard runs with `python -I -S`, which starts in 20 ms.
"""

import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
KERNEL_CAN = sys.platform == "linux"

if KERNEL_CAN:
    import ctypes

    # Looked up now: between fork and exec nothing should be imported or resolved.
    _prctl = ctypes.CDLL(None).prctl


def die_with_parent(parent: int) -> None:
    """Ask the kernel to SIGKILL this process when its parent ends; call it just after the fork.

    The signal goes with the *thread* that forked, so the parent must fork from its main thread.

    Args:
        parent: the parent's pid; had it ended before the kernel was asked, this process ends here.

    """
    if not KERNEL_CAN:
        return
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def guard_command(lifeline: int, grace: float, argv: tuple[str, ...]) -> tuple[str, ...]:
    """The command line that runs `argv` behind a guard.

    Args:
        lifeline: descriptor of the pipe's end to read, passed on to the guard.
        grace: seconds between SIGTERM and SIGKILL.
        argv: the program's own command line, by its full path.

    """
    return (sys.executable, "-I", "-S", __file__, str(lifeline), str(grace), *argv)


def guard(lifeline: int, grace: float, argv: list[str]) -> int:
    """Run a program until it ends or has to; the exit status, as a shell would give it."""
    handled = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)
    wake, wakeup = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    for number in handled:
        signal.signal(number, lambda *_: None)
    guard_pid = os.getpid()
    child = os.fork()
    if child == 0:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and exec would keep that
        die_with_parent(guard_pid)
        os.close(lifeline)
        try:
            os.execv(argv[0], argv)  # noqa: S606 - no shell is wanted
        except OSError as error:
            os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127)
    return _watch(child, lifeline, wake, grace)


def _watch(child: int, lifeline: int, wake: int, grace: float) -> int:
    kill_at: float | None = None
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if kill_at is not None and time.monotonic() >= kill_at:
            os.kill(child, signal.SIGKILL)
            kill_at += 1
        wait = None if kill_at is None else max(0.0, kill_at - time.monotonic())
        watched = [wake, lifeline] if kill_at is None else [wake]
        ready, _, _ = select.select(watched, [], [], wait)
        signals = os.read(wake, 64) if wake in ready else b""
        if kill_at is None and (lifeline in ready or signal.SIGTERM in signals or signal.SIGINT in signals):
            os.kill(child, signal.SIGTERM)
            kill_at = time.monotonic() + grace


if __name__ == "__main__":
    sys.exit(guard(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
