"""The application that users come from and return to."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit


class Shop:
    """A page at `/shop/back` that remembers who came with what.

    `/shop/bounce` sends them on to another origin, as sign-in flows do; `slowness` is how long it thinks.
    """

    slowness = 0.0

    def __init__(self) -> None:
        self.visits: list[tuple[str, dict[str, str], dict[str, str]]] = []
        visits, shop = self.visits, self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path.startswith("/shop"):
                    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                    visits.append((parts.path, query, dict(self.headers)))
                time.sleep(shop.slowness)
                if parts.path == "/shop/bounce":
                    self.send_response(303)
                    self.send_header("Location", f"http://localhost:{self.server.server_port}/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                body = b"<!doctype html><html lang=en><title>Shop</title><h1>Welcome back</h1></html>"
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/shop"
        self.back, self.bounce = f"{self.url}/back", f"{self.url}/bounce"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
