"""How Twilio's SDK talks HTTP here: by urllib3 alone.

The SDK's own client makes a `requests.Request`, looks at the environment and follows hooks for each call,
which was the better part of what a start over SMS costs us.
"""

from base64 import b64encode
from collections.abc import Mapping
from logging import getLogger
from pathlib import Path
from ssl import SSLContext, create_default_context
from urllib.parse import urlencode

import requests
import urllib3
from twilio.http import HttpClient
from twilio.http.response import Response

CONNECTIONS = 512  # a process may have this many calls under way before it opens throw-away connections


class ProxyUnusable(Exception):
    """The environment names a proxy that can't be used. `str()` says so."""


class TwilioHttp(HttpClient):  # type: ignore[misc]
    """Calls one base URL. Time is bounded by who calls, retries are the plan's, redirects nobody's.

    The environment's proxies and CA bundle are those of when it is made, which may raise `ProxyUnusable`.
    """

    def __init__(self, base_url: str) -> None:
        super().__init__(getLogger(__name__), is_async=False)
        settled = requests.Session().merge_environment_settings(base_url, {}, None, None, None)
        bundle = (
            settled["verify"] if isinstance(settled["verify"], str) else requests.utils.DEFAULT_CA_BUNDLE_PATH
        )
        is_folder = Path(bundle).is_dir()
        tls = create_default_context(
            cafile=None if is_folder else bundle, capath=bundle if is_folder else None
        )
        proxy = requests.utils.select_proxy(base_url, settled["proxies"])
        self._pools = (
            _by_proxy(proxy, tls)
            if proxy is not None
            else urllib3.PoolManager(maxsize=CONNECTIONS, ssl_context=tls)
        )
        self._authorizations: dict[tuple[str, str], str] = {}

    def request(
        self,
        method: str,
        uri: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Make a call; see the SDK.

        Raises:
            urllib3.exceptions.HTTPError: there is no answer, or none that is HTTP.
        """
        sent = dict(headers or {})
        if auth is not None:
            sent["Authorization"] = self._authorization(auth)
        url = f"{uri}?{urlencode(params, doseq=True)}" if params else uri
        body = urlencode(data, doseq=True) if data else None
        answer = self._pools.urlopen(method, url, body=body, headers=sent, retries=False, timeout=timeout)
        return Response(answer.status, answer.data.decode("utf-8", "replace"), answer.headers)

    def close_idle(self) -> None:
        """Close the connections that wait; those under way are not touched, and later calls open new ones."""
        self._pools.clear()

    def _authorization(self, auth: tuple[str, str]) -> str:
        if auth not in self._authorizations:
            self._authorizations[auth] = f"Basic {b64encode(':'.join(auth).encode()).decode()}"
        return self._authorizations[auth]


def _by_proxy(proxy: str, tls: SSLContext) -> urllib3.PoolManager:
    url = requests.utils.prepend_scheme_if_needed(proxy, "http")  # type: ignore[no-untyped-call]
    user, password = requests.utils.get_auth_from_url(url)
    named = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else None
    try:
        return urllib3.ProxyManager(url, maxsize=CONNECTIONS, proxy_headers=named, ssl_context=tls)
    except ValueError:  # its text has the URL, and a password may be in that
        raise ProxyUnusable("HTTPS_PROXY: expected http://host:port or https://host:port") from None
