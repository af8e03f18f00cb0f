"""A TCP proxy of its own process that breaks connections in the ways in which networks break them.

`python -m tests.support.fault_proxy HOST:PORT|PATH` listens on loopback, prints its port, and takes a fault as
JSON on each line of its input, whose end ends it; `FaultProxy` is the handle on it.
"""

import argparse
import asyncio
import contextlib
import json
import random
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tests.support.stack import ROOT

_CHUNK = 65536
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close() sends RST


@dataclass(frozen=True)
class Fault:
    """What happens to connections from now on.

    Attributes:
        kind: `none`
            `latency`: each piece waits `seconds` before it goes on, in both directions
            `reset`: open connections end by RST, and so does each new one
            `black_hole`: bytes vanish, in both directions, and nobody is told of anything
            `stall`: bytes wait until the fault is over, and arrive then, as TCP's retransmissions do
            `half_open`: the server's ends of open connections are gone without a word; new ones work
            `trickle`: a byte every `seconds`, in both directions
            `trickle_answers`: only what the server sends
            `lost_answer`: requests arrive; the connection ends by RST instead of an answer
        seconds: of `latency`, `trickle` and `trickle_answers`.
        share: of the answers that `lost_answer` takes.
    """

    kind: str = "none"
    seconds: float = 0.0
    share: float = 1.0


class _Link:
    """One connection: the client's end, and the one to the server."""

    def __init__(self, client: asyncio.StreamWriter) -> None:
        self.client = client
        self.server: asyncio.StreamWriter | None = None
        self.deaf = False  # bytes vanished from it: it can't be whole again

    def reset(self) -> None:
        sock = self.client.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.client.transport.abort()
        self.drop_server()

    def drop_server(self) -> None:
        if self.server is not None:
            self.server.transport.abort()


class _Proxy:
    def __init__(self, target: str) -> None:
        self._target = target
        self._links: set[_Link] = set()
        self._seen = 0
        self._random = random.Random(1)
        self._fault = Fault()
        self._over = asyncio.Event()

    def set(self, fault: Fault) -> dict[str, int]:
        self._fault = fault
        self._over.set()  # whoever waits looks again
        self._over = asyncio.Event()
        for link in list(self._links):
            if fault.kind == "reset":
                link.reset()
            elif fault.kind == "half_open":
                link.deaf = True
                link.drop_server()
            elif fault.kind == "black_hole":
                link.deaf = True
        return {"open": len(self._links), "seen": self._seen}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(writer)
        self._links.add(link)
        self._seen += 1
        try:
            if self._fault.kind == "reset":
                link.reset()
                return
            if self._fault.kind == "black_hole":
                link.deaf = True
                await self._swallow(reader)
                return
            if self._fault.kind == "stall":
                await self._until_over("stall")
            answers, link.server = await self._connect()
            back = asyncio.create_task(self._carry(link, answers, writer, answer=True))
            await self._carry(link, reader, link.server, answer=False)
            await back
        except OSError:
            link.reset()
        finally:
            self._links.discard(link)
            link.drop_server()
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._target.startswith("/"):
            return await asyncio.open_unix_connection(self._target)
        host, _, port = self._target.rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def _carry(
        self, link: _Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answer: bool
    ) -> None:
        """One direction, until its sender ends it."""
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._pass(link, data, writer, answer=answer)
        if link.deaf:
            if not answer:
                link.drop_server()
            return
        with contextlib.suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _pass(self, link: _Link, data: bytes, writer: asyncio.StreamWriter, *, answer: bool) -> None:
        fault = self._fault
        match fault.kind:
            case "latency":
                await asyncio.sleep(fault.seconds)
            case "stall":
                await self._until_over("stall")
            case "trickle" | "trickle_answers" if answer or fault.kind == "trickle":
                data = await self._trickle(fault, data, writer, link)
            case "lost_answer" if answer and self._random.random() < fault.share:
                link.reset()
        if not link.deaf and data:
            writer.write(data)
            await writer.drain()

    async def _trickle(self, fault: Fault, data: bytes, writer: asyncio.StreamWriter, link: _Link) -> bytes:
        """A byte now and then; returns what is left when the fault is over."""
        while data and self._fault is fault and not link.deaf:
            writer.write(data[:1])
            await writer.drain()
            data = data[1:]
            await asyncio.sleep(fault.seconds)
        return data

    async def _until_over(self, kind: str) -> None:
        while self._fault.kind == kind:
            await self._over.wait()

    @staticmethod
    async def _swallow(reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(_CHUNK):
                pass


async def _main(target: str) -> None:
    proxy = _Proxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    commands = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    while line := await commands.readline():
        print(json.dumps(proxy.set(Fault(**json.loads(line)))), flush=True)


class FaultProxy:
    """A running proxy before a server. `port` is where it listens."""

    def __init__(self, target: str) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fault_proxy", target],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,  # Ctrl-C is for who started it
        )
        self.port = int(self._line())

    def set(self, kind: str, **details: Any) -> dict[str, int]:
        """Break connections from now on; tells how many are `open`, and how many were `seen`."""
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(asdict(Fault(kind, **details))) + "\n")
        self._popen.stdin.flush()
        found: dict[str, int] = json.loads(self._line())
        return found

    def clear(self) -> dict[str, int]:
        """Break no more; what is broken stays."""
        return self.set("none")

    def stop(self) -> None:
        """End it, and every connection through it."""
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            with contextlib.suppress(OSError):  # what could not be told any more
                assert pipe is not None
                pipe.close()

    def _line(self) -> str:
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        assert line, "the proxy ended"
        return line


@contextlib.contextmanager
def before(target: str) -> Iterator[FaultProxy]:
    """A proxy before a server, ended with the block."""
    proxy = FaultProxy(target)
    try:
        yield proxy
    finally:
        proxy.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    asyncio.run(_main(parser.parse_args().target))
