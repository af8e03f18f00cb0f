"""A web server on loopback that takes what is posted to it, and answers as a test wants."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple

from standardwebhooks import Webhook


class Posted(NamedTuple):
    """A request as it came in."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def verified(self, secret: str) -> Any:
        """Its body, once its signature was found to be right."""
        return Webhook(secret).verify(self.body, self.headers)


class Answer(NamedTuple):
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""


class Receiver:
    """The server. `answer` is asked for every answer; what it waits for, the sender waits for."""

    def __init__(self) -> None:
        self.posts: list[Posted] = []
        self.answer: Callable[[Posted], Answer] = lambda _: Answer()
        self.trickle = threading.Event()  # set: the answer comes a byte at a time, for ever
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                posted = Posted(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                receiver.posts.append(posted)
                answer = receiver.answer(posted)
                with contextlib.suppress(OSError):
                    if receiver.trickle.is_set():
                        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                        while receiver.trickle.is_set():
                            self.wfile.write(b"x")
                            threading.Event().wait(0.2)
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.end_headers()
                    self.wfile.write(answer.body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def types(self) -> list[str]:
        return [posted.json["type"] for posted in self.posts]

    def stop(self) -> None:
        self.trickle.clear()
        self._server.shutdown()
        self._server.server_close()


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.stop()
