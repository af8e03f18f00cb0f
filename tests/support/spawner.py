"""The process that `commands.py` has fork: it has imported the commands, and runs none itself."""

import gc
import json
import os
import pkgutil
import select
import signal
import socket
import sys
import time
from importlib import import_module

import service.cli
from service.cli.main import main


def serve(listening: socket.socket) -> None:
    """Fork for each request, until whoever began this process is gone."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        asking, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _watch(asking)
            return
        asking.close()


def _watch(asking: socket.socket) -> None:
    """Run it in a child, and tell the child's process id and exit status."""
    length, files, _, _ = socket.recv_fds(asking, 4, 3)
    asked = json.loads(asking.recv(int.from_bytes(length), socket.MSG_WAITALL))
    child = os.fork()
    if child == 0:
        asking.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        _run(asked)
    asking.sendall(b"%d\n" % child)
    _, status = os.waitpid(child, 0)
    asking.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _run(asked: dict) -> None:
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["folder"])
    time.tzset()
    sys.argv = ["otp-fallback", *asked["words"]]
    main()
    sys.exit()


if __name__ == "__main__":
    for module in pkgutil.iter_modules(service.cli.__path__):
        if module.name != "__main__":
            import_module(f"service.cli.{module.name}")
    sys.modules["__main__"].__package__ = None  # else usage lines name this module
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(sys.argv[1])
        listening.listen(64)
        serve(listening)
