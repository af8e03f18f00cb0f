"""How Twilio's SDK talks HTTP here: by urllib3 alone.

The SDK's own client makes a `requests.Request`, looks at the environment and follows hooks for each call,
which was the better part of what a start over SMS costs us.
"""

from base64 import b64encode
from collections.abc import Mapping
from logging import getLogger
from pathlib import Path
from ssl import create_default_context
from urllib.parse import urlencode, urlsplit

import requests
import urllib3
from twilio.http import HttpClient
from twilio.http.response import Response

CONNECTIONS = 512  # a process may have this many calls under way before it opens throw-away connections


class TwilioHttp(HttpClient):  # type: ignore[misc]
    """Calls one base URL. Time is bounded by who calls, retries are the plan's, redirects nobody's.

    The environment's proxies and CA bundle are those of when it was made.
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
        self._pools: urllib3.PoolManager
        if proxy is None:
            self._pools = urllib3.PoolManager(maxsize=CONNECTIONS, ssl_context=tls)
        else:
            named = urllib3.make_headers(proxy_basic_auth=_credentials(proxy))
            self._pools = urllib3.ProxyManager(
                proxy, maxsize=CONNECTIONS, proxy_headers=named, ssl_context=tls
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


def _credentials(proxy: str) -> str | None:
    parts = urlsplit(proxy)
    return f"{parts.username}:{parts.password or ''}" if parts.username else None
