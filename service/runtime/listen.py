"""The listening socket: bound by the supervisor, so that a restart of the web server loses no connection."""

import errno
import socket

from service.runtime.errors import StartError

BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 picks a free one.

    Raises:
        StartError: the address is taken, not allowed or not this machine's.

    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise StartError(f"OTP_HOST: {host!r} is neither an address nor a name that resolves") from None
    family, _, _, _, address = found[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # `::` serves IPv4 as well
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartError(_why(error, host, port)) from None
    return listener


def _why(error: OSError, host: str, port: int) -> str:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"OTP_PORT: {place} is in use by another program: end it, or set OTP_PORT to another port"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"OTP_PORT: this user may not listen on {place}: set OTP_PORT to 1024 or higher"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"OTP_HOST: {host} is not an address of this machine"
    return f"OTP_HOST: can't listen on {place}: {error.strerror}"


def port_of(listener: socket.socket) -> int:
    """The port that a socket listens on."""
    return int(listener.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether a port could be listened on now."""
    if port > 65535:
        return False
    try:
        listen(host, port).close()
    except StartError:
        return False
    return True


def reachable_host(host: str) -> str:
    """The host to put in a URL for this machine: wildcard addresses become loopback."""
    local = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - none is bound here
    return f"[{local}]" if ":" in local else local
