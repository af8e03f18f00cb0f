"""Whether the Redis that was given can be used, told in one line before anything is started."""

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from service.runtime.errors import StartError

if TYPE_CHECKING:
    from redis import Redis

OLDEST = (6, 2)
NEEDED = "Redis 6.2 or Valkey 7.2 or newer is needed"


def check_store(url: str) -> None:
    """Connect, log in and look at the version.

    Args:
        url: `REDIS_URL`. How each kind of URL becomes a connection is `service.store.redis`' business.

    Raises:
        StartError: it can't be used; the message names the server without its password.

    """
    from redis import exceptions
    from redis.sentinel import MasterNotFoundError

    from service.store.connections import nodes_for, sentinel_fault

    server = shown(url)
    _check_files(url)
    try:
        client = nodes_for(url).any()
        client.ping()
    except exceptions.AuthenticationError as error:
        raise StartError(
            f"REDIS_URL: {server} refuses the login ({error}): give user and password as {_example(url)}"
        ) from None
    except exceptions.BusyLoadingError:
        raise StartError(f"REDIS_URL: {server} is still loading its data: try again in a moment") from None
    except MasterNotFoundError as error:  # its text shows connections with all that they are made with
        fault = sentinel_fault(url)
        why = _reason(fault, url) if fault else "no Sentinel names a primary by that name"
        raise StartError(f"REDIS_URL: {server} can't be reached: {why}") from error
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        raise StartError(f"REDIS_URL: {server} can't be reached: {_reason(error, url)}") from None
    except (exceptions.RedisError, ValueError) as error:
        hint = f": {NEEDED}" if "unknown command" in str(error) else ""  # before 6.0 even the greeting is
        raise StartError(f"REDIS_URL: {server} can't be used: {error}{hint}") from None
    _check_version(client, server)


def _check_files(url: str) -> None:
    """The files that a URL names: to redis-py, one that is not there is a server that is not there."""
    from service.store.connections import TLS_FILES

    for name, values in parse_qs(url.partition("?")[2]).items():
        if name in TLS_FILES and not Path(values[-1]).is_file():
            raise StartError(f"REDIS_URL: {name}: no such file: {values[-1]}")


def _check_version(client: "Redis", server: str) -> None:
    from redis import exceptions

    try:
        info = client.info("server")
    except exceptions.RedisError:  # the user's rights may not include INFO
        return
    version = str(info.get("redis_version", "")) if isinstance(info, dict) else ""
    try:
        found = tuple(int(part) for part in version.split(".")[:2])
    except ValueError:
        return
    if found < OLDEST:
        raise StartError(f"REDIS_URL: {server} is version {version}: {NEEDED}")


def shown(url: str) -> str:
    """A Redis URL for messages: without user, password and options."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{place}{parts.path}"


def _example(url: str) -> str:
    scheme = urlsplit(url).scheme
    return "unix://user:password@/path" if scheme == "unix" else f"{scheme}://user:password@host:port"


def _reason(error: BaseException, url: str) -> str:
    """The cause without redis-py's preamble."""
    from service.store.connections import tls_place

    told = _by_tls(error, secure=tls_place(url) is not None)
    text = str(error).strip().rstrip(".")
    return told or text.partition(". ")[2] or text or type(error).__name__


def _by_tls(error: BaseException | None, *, secure: bool) -> str | None:
    """What TLS has to say, wherever among the causes it stands; redis-py keeps only its text at times."""
    text, cause = "", error
    while cause is not None:
        text, cause = f"{text} {cause}", cause.__cause__ or cause.__context__
    if found := re.search(r"certificate verify failed: ([^(]+?) \(_ssl", text):
        return f"its certificate is not accepted ({found[1]}): {_mend(found[1])}"
    # By TLS 1.3 a server asks for ours after the handshake: the alert may come, or the end come first.
    if secure and re.search(r"ALERT_CERTIFICATE_REQUIRED|EOF occurred|closed by server|reset by peer", text):
        return "it ends the connection: it may want a certificate of ours, ?ssl_certfile=…&ssl_keyfile=…"
    return None


def _mend(fault: str) -> str:
    if "expired" in fault:
        return "renew it"
    if "mismatch" in fault or "not valid for" in fault:
        return "it has to be for the name or address in the URL"
    return "give its authority as ?ssl_ca_certs=/path/to/ca.pem"
