"""The one address that is listened on, its ports, and the names under which it may be called."""

from __future__ import annotations

import errno
import socket
import sys
from urllib.parse import urlsplit

# Nothing but this machine: whoever may call the plane may run programs.
_HOST = "127.0.0.1"
_OWN_NAME = "localhost"


class PortTaken(Exception):
    """Another program listens on the port."""


def listen(port: int) -> socket.socket:
    """Listen on a port of 127.0.0.1.

    Raises
    ------
    PortTaken
        See above; the message says what to do.
    """
    try:
        return socket.create_server((_HOST, port), backlog=128)
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        raise PortTaken(
            f"port {port} of {_HOST} cannot be had ({error.strerror}); end the program that has "
            "it, or give --port another number"
        ) from error


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind((_HOST, 0))
        port: int = listener.getsockname()[1]
        return port


def hold_port() -> tuple[int, socket.socket]:
    """Return a port of 127.0.0.1, and what keeps it from everybody else until it is closed.

    A server of ours can listen there all the same: it sets SO_REUSEADDR, as servers do.  Linux
    alone lets two have a port of which one does not listen; elsewhere nothing is kept.
    """
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((_HOST, 0))
    port: int = holder.getsockname()[1]
    if sys.platform != "linux":
        holder.close()
    return port, holder


def is_own(authority: str) -> bool:
    """Whether ``host:port`` is this machine by a name that nobody else can give it.

    Any other name is a page in a browser that was made to point here by its own name server.

    >>> [is_own(each) for each in ("127.0.0.1:80", "bucket.localhost", "127.0.0.1.page.example")]
    [True, True, False]
    """
    try:
        name = urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return False
    return name in {_HOST, _OWN_NAME} or name.endswith(f".{_OWN_NAME}")
