"""Where something comes to its end: the disk, the memory, the patience with slow clients."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator

from tests.chaos.callers import Terms
from tests.chaos.trial import Scenario, Trial
from tests.chaos.world import Setting
from tests.support.stack import API_KEY

HOLD = 6.0  # seconds
SLOW = 200  # clients, half of them slow with headers, half with bodies
SLOW_ENDED_WITHIN = 25.0  # seconds: the web server gives a header 10 and a body 15
HEADROOM = 50_000  # bytes that Valkey may still grow by


def disk(trial: Trial) -> None:
    """No room for the append-only file; afterwards a kill, to see what really is in it."""
    world = trial.world
    with world.full_disk():
        trial.hold(HOLD)
    trial.logins(5)
    with trial.outage():
        world.stack.valkey.kill()
        world.restart_valkey()


def memory(trial: Trial) -> None:
    """`maxmemory` with `noeviction`: nothing new is stored, nothing old is thrown away."""
    client = trial.world.stack.redis()
    client.config_set("maxmemory", client.info("memory")["used_memory"] + HEADROOM)
    trial.hold(HOLD)
    client.config_set("maxmemory", 0)


def slow_clients(trial: Trial) -> None:
    """Requests that never get done, beside logins that must go on."""
    with _slow_clients(trial.world.stack.port) as clients:
        trial.hold(HOLD)
        trial.logins(5)
        until = time.monotonic() + SLOW_ENDED_WITHIN
        while clients.open and time.monotonic() < until:
            time.sleep(0.2)
        if clients.open:
            trial.ledger.error(f"{clients.open} slow clients are still served")


class _Clients:
    """Connections that bring a byte a second."""

    def __init__(self, port: int) -> None:
        head = f"POST /v1/challenges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n"
        begun = (
            head + "X-Slow: ",
            head + "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n{",
        )
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        for number in range(SLOW):
            client = socket.create_connection(("127.0.0.1", port), 5)
            client.sendall(begun[number % 2].encode())
            client.setblocking(False)
            self._selector.register(client, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    @property
    def open(self) -> int:
        return len(self._selector.get_map())

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            self._end(key.fileobj)

    def _go_on(self) -> None:
        while not self._stop.wait(1.0):
            ended = [key.fileobj for key, _ in self._selector.select(0) if self._is_over(key.fileobj)]
            for client in ended:
                self._end(client)
            for key in list(self._selector.get_map().values()):
                try:
                    key.fileobj.send(b"x")  # type: ignore[union-attr]
                except OSError:
                    self._end(key.fileobj)

    @staticmethod
    def _is_over(client: object) -> bool:
        assert isinstance(client, socket.socket)
        try:
            return client.recv(65536) == b""
        except OSError:
            return True

    def _end(self, client: object) -> None:
        assert isinstance(client, socket.socket)
        self._selector.unregister(client)
        client.close()


@contextlib.contextmanager
def _slow_clients(port: int) -> Iterator[_Clients]:
    clients = _Clients(port)
    try:
        yield clients
    finally:
        clients.stop()


SCENARIOS = [
    Scenario(
        "disk full for the append-only file",
        disk,
        setting=Setting(fsync="everysec", small_disk=True),
        must_be_unavailable=True,
    ),
    Scenario("valkey at maxmemory", memory, must_be_unavailable=True),
    Scenario(f"{SLOW} slow clients", slow_clients, terms=Terms(patience=3.0)),
]
