"""A provider that takes its time: what Twilio Verify answers to a start, so many seconds later.

The sandbox keeps records, and would be the bottleneck; this does as little as a server can.
`GET /counted` tells how many verifications were asked for; after `POST /fail` each is refused with a 503.
"""

import argparse
import asyncio
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs


class Provider(asyncio.Protocol):
    """One connection; requests on it are answered in order, and counted for all."""

    started = 0
    failing = False
    latency = 0.3  # seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._buffer += data
        while True:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            _, found, after = head.lower().partition(b"content-length:")
            length = int(after.split(b"\r\n", 1)[0]) if found else 0
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._answer(head.split(b" ", 2), rest[:length])

    def _answer(self, line: list[bytes], body: bytes) -> None:
        method, path = line[0].decode(), line[1].decode()
        if path == "/counted":
            self._send(200, {"started": Provider.started})
        elif path == "/fail":
            Provider.failing = True
            self._send(200, {})
        elif method == "POST" and path.endswith("/Verifications"):
            Provider.started += 1
            if Provider.failing:
                self._send(503, {"code": 20503, "message": "Service unavailable", "status": 503})
                return
            form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
            answer = verification(form["To"], form["Channel"], Provider.started)
            asyncio.get_running_loop().call_later(Provider.latency, self._send, 201, answer)
        else:  # it is told how one ended
            self._send(200, verification("+14155550100", "sms", 0))

    def _send(self, status: int, answer: object) -> None:
        payload = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
        self._transport.write(head.encode() + payload)


def verification(to: str, channel: str, number: int) -> dict[str, object]:
    """https://www.twilio.com/docs/verify/api/verification"""
    sid, now = f"VE{number:032x}", datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "sid": sid,
        "service_sid": "VA" + "0" * 32,
        "account_sid": "AC" + "0" * 32,
        "to": to,
        "channel": channel,
        "status": "pending",
        "valid": False,
        "lookup": {},
        "amount": None,
        "payee": None,
        "send_code_attempts": [{"attempt_sid": f"VL{number:032x}", "channel": channel, "time": now}],
        "date_created": now,
        "date_updated": now,
        "url": f"https://verify.twilio.com/v2/Services/VA/Verifications/{sid}",
    }


async def main() -> None:
    """Serve until killed; prints its port."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--latency", type=float, default=0.3, help="seconds")
    Provider.latency = parser.parse_args().latency
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
