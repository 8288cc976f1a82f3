"""A worker process: connections wait in one loop, requests run on threads, pings on their own.

gunicorn's threaded worker, changed where a SageMaker container needs it: a new connection takes no
thread until it says something, ``/ping`` never queues behind predictions, a client that stalls
loses its thread, a connection that ends never holds up the others, and refusals are JSON.

Knows HTTP and sockets, not models.  Sources: gunicorn 27, ``workers/gthread.py``; RFC 9112,
section 9.6 (closing); AWS docs, "Use Your Own Inference Code" (2 s for a ping).
"""

from __future__ import annotations

import errno
import select
import signal
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn, ThreadWorker

from crossfold.errors import CrossfoldError
from serve.responses import OneWrite, refuse
from serve.unreader import PatientUnreader

STALL_S = 30.0
"""How long a client may send or take nothing while a thread waits for it."""

LINGER_S = 2.0
"""How long a closed connection is read on, so that its last answer is not lost to a reset."""

_DRAIN_S = 5.0
_PING_DRAIN_S = 0.05
_PEEK = 2048
_DISCARD = 1 << 18
_HEAD_END = b"\r\n\r\n"
_PINGS = tuple(
    b"%b /ping%b" % (method, end) for method in (b"GET", b"HEAD", b"POST") for end in (b" ", b"?")
)
_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EAGAIN, errno.ECONNABORTED})


class Connection(TConn):  # type: ignore[misc] # gunicorn ships no types
    """A client's connection with what the loop knows of it."""

    parser: Any

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.is_ping = False
        limit = struct.pack("ll", int(STALL_S), int(STALL_S % 1 * 1e6))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def init(self) -> None:
        """Make ready to read a request; a thread does it."""
        self.sock.settimeout(None)
        if self.parser is None:
            self.parser = RequestParser(self.cfg, self.sock, self.client)
            self.parser.unreader = PatientUnreader(self.sock, STALL_S)
        self.parser.unreader.restart()


class Threads:
    """Threads that each run `work` on one connection after another."""

    def __init__(self, n_threads: int, name: str, work: Callable[[Connection], None]) -> None:
        self._queue: SimpleQueue[Connection | None] = SimpleQueue()
        self._work = work
        self._threads = [
            # They hold no files, and a worker that was told to leave must not wait for them.
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True)
            for number in range(n_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, connection: Connection) -> None:
        """Hand over a connection that has something to read."""
        self._queue.put(connection)

    def shutdown(self, *, wait: bool) -> None:
        """End the threads that are idle, and the others after their request."""
        del wait
        for _ in self._threads:
            self._queue.put(None)

    def _run(self) -> None:
        while (connection := self._queue.get()) is not None:
            self._work(connection)


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn ships no types
    """What gunicorn runs after the fork; `cfg.threads` answer requests, one more answers pings."""

    _pings: Threads

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._closing: deque[Connection] = deque()

    def init_process(self) -> None:
        """Begin: the application first, which may not meet threads."""
        try:
            self.app.wsgi().start_worker()
        except CrossfoldError as error:
            self.log.critical("a worker cannot begin: %s: %s", type(error).__name__, error)
            raise SystemExit(Arbiter.WORKER_BOOT_ERROR) from error
        super().init_process()

    def init_signals(self) -> None:
        """Take over the signals, which were held back since before the fork."""
        super().init_signals()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def get_thread_pool(self) -> Threads:
        """Start the threads."""
        self._pings = Threads(1, "ping", self._serve)
        return Threads(self.cfg.threads, "request", self._serve)

    # ------------------------------------------------------------------ in the loop's own thread

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        """Open or close the door; before it closes for good, let in who already knocked."""
        if not enabled and not self.alive and self._accepting:
            for listener in self.sockets:
                before = -1
                while before != self.nr_conns:
                    before = self.nr_conns
                    self.accept(listener)
        super().set_accept_enabled(enabled)

    def accept(self, listener: Any) -> None:
        """Take a new connection, which waits in the loop until it says something."""
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNABORTED, errno.EINTR):
                return
            # Out of descriptors or memory: the others may still be answered.
            self.log.warning("a connection was not accepted: %s", error)
            return
        self.nr_conns += 1
        try:
            connection = Connection(self.cfg, sock, client, listener.getsockname())
        except OSError:
            self.nr_conns -= 1
            sock.close()
            return
        connection.timeout = time.monotonic() + self.cfg.keepalive
        self._wait(connection, self.pending_conns)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Go on with a connection whose request was answered; `fs` says whether it stays open."""
        if not fs:
            self._linger(conn)
            return
        if conn.parser.unreader.buf.getvalue():
            # The next request was read together with the last one.
            self._dispatch(conn, b"")
            return
        conn.sock.settimeout(0)
        conn.set_timeout()
        if not self.alive:
            self._cap(conn)
        self._wait(conn, self.keepalived_conns)

    def murder_pending(self) -> None:
        """Close connections that never said anything, and those that linger too long."""
        super().murder_pending()
        now = time.monotonic()
        while self._closing and self._closing[0].timeout < now:
            self._drop(self._closing[0], self._closing)

    def _wait(self, conn: Connection, waiting: deque[Connection]) -> None:
        waiting.append(conn)
        try:
            self.poller.register(
                conn.sock, select.EPOLLIN, partial(self._on_readable, conn, waiting)
            )
        except (OSError, ValueError):
            waiting.remove(conn)
            self._forget(conn)

    def _on_readable(self, conn: Connection, waiting: deque[Connection], sock: Any) -> None:
        try:
            head = sock.recv(_PEEK, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            head = b""
        if not head:
            self._drop(conn, waiting)
            return
        self.poller.unregister(sock)
        waiting.remove(conn)
        self._dispatch(conn, head)

    def _dispatch(self, conn: Connection, head: bytes) -> None:
        # A ping of which only half is there might hold up the thread of the others.
        conn.is_ping = head.startswith(_PINGS) and _HEAD_END in head
        threads = self._pings if conn.is_ping else self.tpool
        threads.submit(conn)

    def _linger(self, conn: Connection) -> None:
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.settimeout(0)
            conn.timeout = time.monotonic() + LINGER_S
            self._closing.append(conn)
            self.poller.register(conn.sock, select.EPOLLIN, partial(self._discard, conn))
        except (OSError, ValueError):
            if conn in self._closing:
                self._closing.remove(conn)
            self._forget(conn)

    def _discard(self, conn: Connection, sock: Any) -> None:
        try:
            if sock.recv(_DISCARD):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._drop(conn, self._closing)

    def _drop(self, conn: Connection, waiting: deque[Connection]) -> None:
        waiting.remove(conn)
        self.poller.unregister(conn.sock)
        self._forget(conn)

    def _forget(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    @staticmethod
    def _cap(conn: Connection) -> None:
        conn.timeout = min(conn.timeout, time.monotonic() + LINGER_S)

    # ------------------------------------------------------------------ in the requests' threads

    def _serve(self, conn: Connection) -> None:
        stays = False
        try:
            stays = self.handle(conn)
        finally:
            # Also after a SystemExit, which would otherwise leave the connection counted for ever.
            self.method_queue.defer(self.finish_request, conn, stays)

    def handle(self, conn: Connection) -> bool:
        """Answer one request; say whether the connection stays open."""
        request = None
        try:
            conn.init()
            request = next(conn.parser)
            return self._keepalive_after(conn, self.handle_request(request, conn))
        except (NoMoreData, StopIteration):
            return False
        except OSError as error:
            if error.errno not in _GONE:
                self.handle_error(request, conn.sock, conn.client, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            self.handle_error(request, conn.sock, conn.client, error)
        return False

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Run the application; say whether the response leaves the connection open."""
        response, environ = wsgi.create(
            req, conn.sock, conn.client, conn.server, self.cfg, response_class=OneWrite
        )
        environ["wsgi.multithread"] = True
        if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
            response.force_close()
        parts = self.wsgi(environ, response.start_response)
        try:
            for part in parts:
                response.write(part)
            response.close()
        finally:
            if hasattr(parts, "close"):
                parts.close()
        return not response.should_close()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer a request that never reached the application, or that it failed on."""
        refuse(client, req, exc)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:  # noqa: FBT001
        if not keepalive:
            return False
        patience = _PING_DRAIN_S if conn.is_ping else _DRAIN_S
        return bool(conn.parser.finish_body(deadline=time.monotonic() + patience))
