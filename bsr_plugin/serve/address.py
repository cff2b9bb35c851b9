"""Where the server is reached: the socket that it listens at."""

import errno
import ipaddress
import re
import socket
from collections.abc import Sequence

from bsr_plugin.errors import InputError

#: Tried one after the other where no port is named; the first is Gradio's.
PORTS = range(7860, 7960)


def listen(host: str, port: int | None = None) -> socket.socket:
    """Gives a socket that listens: connections wait until the server answers.

    Args:
        host: Name or address of this machine; ``0.0.0.0`` and ``::`` are all of its addresses.
        port: 0 is any free one; ``None`` the first free one of ``PORTS``.

    Raises:
        InputError: The port is taken or cannot be used, or the host is not this machine.
    """
    if port is not None and not 0 <= port <= 65535:
        raise InputError(f'--port is {port}: use 1 to 65535, or 0 for any that is free.')
    try:
        family, _, _, _, (address, *_) = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        raise InputError(f'--host is {host}, which is not known: use 127.0.0.1 or one of this machine.') from None
    listening = (_listening(family, str(address), number) for number in (PORTS if port is None else [port]))
    server = next(filter(None, listening), None)
    if server is None and port is None:
        raise InputError(f'The ports {PORTS[0]} to {PORTS[-1]} are all taken: name one that is free with --port.')
    if server is None:
        raise InputError(f'Port {port} is taken: name another with --port, or leave it out for the next that is free.')
    return server


def _listening(family: int, address: str, port: int) -> socket.socket | None:
    """A socket that listens; ``None`` where the port is taken."""
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen()
    except OSError as error:
        server.close()
        if error.errno == errno.EADDRINUSE:
            return None
        if error.errno == errno.EACCES:
            raise InputError(f'--port is {port}, which this user may not use: use 1024 or above.') from error
        raise InputError(
            f'--host is {address}, which is not an address of this machine ({error.strerror}): use 127.0.0.1.'
        ) from error
    return server


def url_of(server: socket.socket) -> str:
    """What a browser on this machine is given to reach a socket that listens."""
    host, port = server.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = '127.0.0.1' if server.family == socket.AF_INET else '::1'
    return f'http://[{host}]:{port}' if ':' in host else f'http://{host}:{port}'


def is_loopback(server: socket.socket) -> bool:
    """Whether only this machine reaches a socket."""
    return ipaddress.ip_address(server.getsockname()[0]).is_loopback


def checked_names(names: Sequence[str]) -> list[str]:
    """Names of reverse proxies, in lower case.

    Raises:
        InputError: One is not a name alone.
    """
    for name in names:
        if not re.fullmatch(r'[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*', name):
            raise InputError(f'--allowed-host is {name!r}: give a name without scheme and port, as sr.example.org.')
    return [name.lower() for name in names]
