"""The one address that is listened on."""

from __future__ import annotations

import errno
import socket

# Nothing but this machine: whoever may call the plane may run programs.
_HOST = "127.0.0.1"


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
