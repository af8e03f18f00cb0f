"""Asks the web server whether it is ready, without ever waiting for it."""

import socket
import time

PATIENCE = 5.0  # seconds for one answer, then it is asked anew


class Probe:
    """GET /readyz, as often as it takes. The question waits in the listening socket for a first worker.

    Args:
        host: address that the server listens on.
        port: its port.

    """

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._question = f"GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        self._connection: socket.socket | None = None
        self._asked_at = 0.0

    def look(self) -> bool | None:
        """True once it was answered 200; returns at once, None while it was not."""
        try:
            if self._connection is None:
                self._connection = socket.create_connection(self._address, timeout=1)
                self._connection.sendall(self._question)
                self._connection.setblocking(False)
                self._asked_at = time.monotonic()
            start = self._connection.recv(64)
        except BlockingIOError:
            if time.monotonic() - self._asked_at > PATIENCE:
                self.close()
            return None
        except OSError:
            self.close()
            return None
        self.close()
        return True if start.startswith(b"HTTP/1.1 200 ") else None

    def close(self) -> None:
        """Forget the question, if one is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
