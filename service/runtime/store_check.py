"""Whether the Redis that was given can be used, told in one line before anything is started."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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

    from service.store.connections import nodes_for

    server = shown(url)
    try:
        client = nodes_for(url).any()
        client.ping()
    except exceptions.AuthenticationError as error:
        raise StartError(
            f"REDIS_URL: {server} refuses the login ({error}): give user and password as {_example(url)}"
        ) from None
    except exceptions.BusyLoadingError:
        raise StartError(f"REDIS_URL: {server} is still loading its data: try again in a moment") from None
    except (exceptions.ConnectionError, exceptions.TimeoutError, OSError) as error:
        raise StartError(f"REDIS_URL: {server} can't be reached: {_reason(error)}") from None
    except (exceptions.RedisError, ValueError) as error:
        hint = f": {NEEDED}" if "unknown command" in str(error) else ""  # before 6.0 even the greeting is
        raise StartError(f"REDIS_URL: {server} can't be used: {error}{hint}") from None
    _check_version(client, server)


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


def _reason(error: Exception) -> str:
    """The cause without redis-py's preamble."""
    text = str(error).strip().rstrip(".")
    return text.partition(". ")[2] or text or type(error).__name__
