"""Posting to addresses that API callers name: only to hosts that may be told, at addresses looked at before.

A name is resolved once, every address that it has is judged, and the connection is made to one of those:
what the name resolves to a moment later has no say.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import NamedTuple

import urllib3
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from standardwebhooks import Webhook
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as TimeoutFault

from service.deadline import DeadlineExceeded, within
from service.domain.hook_urls import Address, PrivateHosts, Target, parse_target

DEADLINE = 10.0  # seconds, for all of it
CONNECT_TIMEOUT = 4.0  # seconds per address
ADDRESSES_TRIED = 2
ANSWER_READ = 4096  # bytes

Resolve = Callable[[str, int], Sequence[Address]]


class Refusal(Exception):
    """It must not be sent there; `str()` says why."""


class PostFailed(Exception):
    """It did not get through; `str()` is a word that says why."""


class Answered(NamedTuple):
    """What the receiver said: its status, and its `Retry-After` as it stands there."""

    status: int
    retry_after: str | None


def resolve(host: str, port: int) -> list[Address]:
    """Every address of a host.

    Raises:
        OSError: it has none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(ip_address(sockaddr[0]) for *_, sockaddr in found))


def signed(body: bytes, message_id: str, secrets: Iterable[str], now: int) -> dict[str, str]:
    """The headers of the Standard Webhooks specification, with a signature of each secret.

    Args:
        body: as it is sent.
        message_id: the same in every try.
        secrets: `whsec_...`.
        now: ms.
    """
    at = datetime.fromtimestamp(now // 1000, UTC)
    signatures = [Webhook(secret).sign(message_id, at, body.decode()) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(now // 1000),
        "webhook-signature": " ".join(signatures),
    }


class WebhookClient:
    """Posts messages."""

    def __init__(self, private: PrivateHosts, *, https_only: bool, resolve: Resolve = resolve) -> None:
        self._private = private
        self._https_only = https_only
        self._resolve = resolve
        self._tls: ssl.SSLContext | None = None

    def check(self, url: str) -> Target:
        """Whether messages may be sent to an address, as far as can be seen now.

        Raises:
            Refusal: they may not.
        """
        try:
            target = parse_target(url, https_only=self._https_only)
        except ValueError as error:
            raise Refusal(str(error)) from None
        try:
            within(DEADLINE, lambda: self._addresses(target))
        except (OSError, DeadlineExceeded):
            raise Refusal("its host can't be resolved") from None
        return target

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """Post a message. Redirects are not followed: where they lead was not looked at.

        Raises:
            PostFailed: no answer came in time, or it must not be sent there.
        """
        try:
            target = parse_target(url, https_only=self._https_only)
            return within(DEADLINE, lambda: self._post(target, body, headers))
        except (Refusal, ValueError):
            raise PostFailed("address_refused") from None
        except NewConnectionError:
            raise PostFailed("connection") from None
        except (DeadlineExceeded, TimeoutFault):
            raise PostFailed("timeout") from None
        except SSLError:
            raise PostFailed("tls") from None
        except OSError:
            raise PostFailed("host_unknown") from None
        except HTTPError:
            raise PostFailed("connection") from None

    def _post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> Answered:
        addresses = self._addresses(target)[:ADDRESSES_TRIED]
        for address in addresses[:-1]:
            try:
                return self._post_to(address, target, body, headers)
            except NewConnectionError:
                continue
        return self._post_to(addresses[-1], target, body, headers)

    def _post_to(self, address: Address, target: Target, body: bytes, headers: Mapping[str, str]) -> Answered:
        timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT, read=DEADLINE)
        pool: urllib3.HTTPConnectionPool
        if target.scheme == "https":
            pool = urllib3.HTTPSConnectionPool(
                str(address),
                target.port,
                timeout=timeout,
                ssl_context=self._context(),
                server_hostname=target.host,
                assert_hostname=target.host,
            )
        else:
            pool = urllib3.HTTPConnectionPool(str(address), target.port, timeout=timeout)
        with pool:
            response = pool.urlopen(
                "POST",
                target.path,
                body=body,
                headers={**headers, "Host": target.authority, "Connection": "close"},
                redirect=False,
                retries=False,
                preload_content=False,
                assert_same_host=False,
                decode_content=False,
            )
            try:
                response.read(ANSWER_READ)
                return Answered(response.status, response.headers.get("Retry-After"))
            finally:
                response.close()

    def _addresses(self, target: Target) -> Sequence[Address]:
        """Where the target is. Raises `Refusal` unless all of it may be told, `OSError` if it is nowhere."""
        addresses = self._resolve(target.host, target.port)
        if not addresses:
            raise OSError
        for address in addresses:
            if not self._private.allow(target.host, address):
                raise Refusal("its host is not on the public internet; OTP_PRIVATE_HOOKS can allow it")
        return addresses

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:  # reading all authorities takes a while
            self._tls = ssl.create_default_context()
            self._tls.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        return self._tls
