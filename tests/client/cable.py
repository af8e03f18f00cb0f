"""A cable to the service that can be cut: a TCP proxy on loopback, which breaks the exchanges it is told to."""

import re
import socket
import struct
import threading

from tests.support.stack import free_port

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


class Cable:
    """`lose(n)`: the next n answers are lost, though the service did what it was asked; `cut(n)`: the next
    n requests don't reach it."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests = 0
        self._plan: list[str] = []
        self._server = socket.create_server(("127.0.0.1", self.port))
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self, count: int = 1) -> None:
        self._plan = ["lose"] * count

    def cut(self, count: int = 1) -> None:
        self._plan = ["cut"] * count

    def close(self) -> None:
        self._server.close()
        for end in self._open:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self._open.append(near)
            threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        far = None
        try:
            while request := self._whole(near):
                self.requests += 1
                plan = self._plan.pop(0) if self._plan else "pass"
                if plan == "cut":
                    return self._reset(near)
                if far is None:
                    far = socket.create_connection(("127.0.0.1", self.target), timeout=60)
                    self._open.append(far)
                    if plan == "pass":
                        threading.Thread(target=self._back, args=(far, near), daemon=True).start()
                elif plan == "lose":  # answers come back by a thread: ask on a connection of its own
                    far = socket.create_connection(("127.0.0.1", self.target), timeout=60)
                far.sendall(request)
                if plan == "lose":
                    assert far.recv(65536)  # it is done
                    far.close()
                    return self._reset(near)
        except OSError:
            near.close()
        return None

    @staticmethod
    def _whole(near: socket.socket) -> bytes:
        """One request: its head may come before its body."""
        request = b""
        while b"\r\n\r\n" not in request:
            if not (part := near.recv(65536)):
                return b""
            request += part
        head, _, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += near.recv(65536)
        return head + b"\r\n\r\n" + body

    @staticmethod
    def _back(far: socket.socket, near: socket.socket) -> None:
        try:
            while answer := far.recv(65536):
                near.sendall(answer)
        except OSError:
            pass
        finally:
            near.close()

    @staticmethod
    def _reset(near: socket.socket) -> None:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        near.close()
