"""Peer of nobody: the least that an HTTP server can do, to learn what the load client itself costs.

    python bench/peers/constant_server.py PORT

One thread, one epoll; a request is over when as many bytes have come as its head says.
"""

from __future__ import annotations

import select
import socket
import sys

_BODY = b"-0.8472095131874084"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n\r\n%s" % (
    len(_BODY),
    _BODY,
)


def main(port: str) -> None:
    """Serve until the end."""
    listener = socket.create_server(("127.0.0.1", int(port)), backlog=128)
    poll = select.epoll()
    poll.register(listener, select.EPOLLIN)
    received: dict[int, bytes] = {}
    sockets: dict[int, socket.socket] = {}
    while True:
        for fd, _ in poll.poll():
            if fd == listener.fileno():
                found, _ = listener.accept()
                found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sockets[found.fileno()], received[found.fileno()] = found, b""
                poll.register(found, select.EPOLLIN)
                continue
            chunk = sockets[fd].recv(1 << 18)
            if not chunk:
                poll.unregister(fd)
                sockets.pop(fd).close()
                continue
            received[fd] += chunk
            if _is_whole(received[fd]):
                sockets[fd].sendall(_ANSWER)
                received[fd] = b""


def _is_whole(request: bytes) -> bool:
    end = request.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = request.find(b"Content-Length:", 0, end)
    length = 0 if at < 0 else int(request[at + 15 : end].split(b"\r\n", 1)[0])
    return len(request) >= end + 4 + length


if __name__ == "__main__":
    main(*sys.argv[1:])
