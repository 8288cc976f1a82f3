"""A worker process: connections wait in one loop, requests run on threads, pings on their own.

gunicorn's threaded worker, changed where a SageMaker container needs it: a new connection takes no
thread until its request is there, ``/ping`` never queues behind predictions, a client that stalls
loses its thread or never gets one, answers that a client takes slowly go out without a thread, the
workers share connections fairly, and refusals are JSON.

Knows HTTP and sockets, not models.  Sources: gunicorn 27, ``workers/gthread.py``; RFC 9112,
section 9.6 (closing); AWS docs, "Use Your Own Inference Code" (2 s for a ping).
"""

from __future__ import annotations

import errno
import select
import selectors
import signal
import socket
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.gthread import ThreadWorker

from crossfold.errors import CrossfoldError
from serve.arrival import INVITATION, MOST_AWAITED, is_waiting_for_invitation, n_needed
from serve.connection import Connection
from serve.door import Door
from serve.refusals import Refusal
from serve.request_log import log_traceback
from serve.responses import Invitation, OneWrite, n_unread, refuse
from serve.seats import Seat
from serve.threads import Threads
from serve.unreader import LEAST_RATE, too_slow

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


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn ships no types
    """What gunicorn runs after the fork; `cfg.threads` answer requests, one more answers pings."""

    seat: Seat
    max_body_bytes: int
    """Given by the master, both of them, before the fork."""

    _pings: Threads
    _door: Door
    _accepting: bool

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._partial: deque[Connection] = deque()
        self._closing: deque[Connection] = deque()
        self._sending: set[Connection] = set()
        self._n_threads: int = self.cfg.threads
        self._n_requests = 0

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

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Deal with what happens, and with connections that are now this worker's to take."""
        if not self._accepting:
            super().wait_for_and_dispatch_events(timeout)
            return
        self._has_room()
        super().wait_for_and_dispatch_events(self._door.wait_s(timeout))
        self._door.look()

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's signature
        """Open or close the door; before it closes for good, let in who already knocked."""
        if enabled == self._accepting:
            return
        if enabled:
            self._door = Door(self.sockets, self.seat, self._has_room, self._welcome, self.log)
            self.poller.register(self._door, select.EPOLLIN, self._door.on_knock)
        else:
            if not self.alive:
                self._door.admit_all()
            self.poller.unregister(self._door)
            self._door.close()
        self._accepting = enabled

    def _has_room(self) -> bool:
        self.seat.show(self.nr_conns, is_busy=self._n_requests >= self._n_threads)
        return bool(self.nr_conns < self.worker_connections)

    def _welcome(self, sock: socket.socket, client: Any, server: Any) -> None:
        """Hold a new connection, which waits in the loop until it says something."""
        try:
            connection = Connection(self.cfg, sock, client, server)
        except OSError:
            sock.close()
            return
        self.nr_conns += 1
        connection.timeout = time.monotonic() + self.cfg.keepalive
        self._wait(connection, self.pending_conns)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Go on with a connection whose request was answered; `fs` says whether it stays open."""
        if not conn.is_ping:
            self._n_requests -= 1
        conn.stays = bool(fs)
        if conn.outlet.is_empty():
            self._go_on(conn)
        else:
            self._send_on(conn)

    def murder_pending(self) -> None:
        """Close connections that never said anything, or take or linger too long."""
        super().murder_pending()
        now = time.monotonic()
        while self._partial and self._partial[0].timeout < now:
            self._give_up(self._partial[0], too_slow())
        while self._closing and self._closing[0].timeout < now:
            self._drop(self._closing[0])
        for conn in [each for each in self._sending if each.timeout < now]:
            self._stop_sending(conn)
            self._forget(conn)

    def _go_on(self, conn: Connection) -> None:
        if not conn.stays:
            self._linger(conn)
            return
        has_more = conn.rest()
        conn.set_timeout()
        if not self.alive:
            conn.cap(time.monotonic() + LINGER_S)
        if self._wait(conn, self.keepalived_conns) and has_more:
            self._on_readable(conn, conn.sock)

    def _wait(self, conn: Connection, waiting: deque[Connection]) -> bool:
        waiting.append(conn)
        conn.waits_in = waiting
        try:
            self.poller.register(conn.sock, select.EPOLLIN, partial(self._on_readable, conn))
        except (OSError, ValueError):
            waiting.remove(conn)
            self._forget(conn)
            return False
        return True

    def _on_readable(self, conn: Connection, sock: Any) -> None:
        try:
            head = conn.peek(_PEEK)
            if head and n_needed(head, self.max_body_bytes) > len(head) and self._awaits_more(conn):
                return
        except BlockingIOError:
            return
        except OSError:
            head = b""
        if not head:
            self._drop(conn)
            return
        self.poller.unregister(sock)
        conn.waits_in.remove(conn)
        self._dispatch(conn, head)

    def _awaits_more(self, conn: Connection) -> bool:
        """Say no if a thread can begin: there is more than the first look showed, or no more."""
        data = conn.peek(MOST_AWAITED)
        needed = n_needed(data, self.max_body_bytes)
        if needed <= len(data):
            return False
        if needed > MOST_AWAITED:
            message = f"the head has more than {MOST_AWAITED} bytes; send less in its fields"
            self._give_up(conn, Refusal(400, message))
            return True
        is_invited = is_waiting_for_invitation(data)
        # Of a body this long a thread has to await the rest anyway, and may refuse it unseen.
        if is_invited and needed == MOST_AWAITED:
            return False
        if not conn.can_await(needed, len(data)):
            return False
        if conn.waits_in is not self._partial:
            conn.waits_in.remove(conn)
            conn.waits_in = self._partial
            self._partial.append(conn)
            conn.set_deadline()
            if not self.alive:
                conn.cap(time.monotonic() + LINGER_S)
        if is_invited:
            with suppress(OSError):
                conn.sock.send(INVITATION)
        return True

    def _give_up(self, conn: Connection, refusal: Refusal) -> None:
        """Refuse a request of which no thread will hear."""
        self.poller.unregister(conn.sock)
        conn.waits_in.remove(conn)
        refuse(conn.sock, None, refusal)
        self._linger(conn)

    def _dispatch(self, conn: Connection, head: bytes) -> None:
        conn.await_any()
        # A ping of which only half is there might hold up the thread of the others.
        conn.is_ping = head.startswith(_PINGS) and _HEAD_END in head
        if conn.is_ping:
            self._pings.submit(conn)
        else:
            self._n_requests += 1
            self.tpool.submit(conn)

    def _send_on(self, conn: Connection) -> None:
        """Let the client take the rest of an answer; it has as long as for a request."""
        conn.sock.settimeout(0)
        conn.set_deadline()
        self._sending.add(conn)
        on_writable = partial(self._on_writable, conn)
        self.poller.register(conn.sock, selectors.EVENT_WRITE, on_writable)

    def _on_writable(self, conn: Connection, _sock: Any) -> None:
        try:
            conn.timeout += conn.outlet.send_on() / LEAST_RATE
        except BlockingIOError:
            return
        except OSError:
            self._stop_sending(conn)
            self._forget(conn)
            return
        if conn.outlet.is_empty():
            self._stop_sending(conn)
            self._go_on(conn)

    def _stop_sending(self, conn: Connection) -> None:
        self._sending.remove(conn)
        self.poller.unregister(conn.sock)

    def _linger(self, conn: Connection) -> None:
        try:
            conn.await_any()
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.settimeout(0)
            conn.timeout = time.monotonic() + LINGER_S
            conn.waits_in = self._closing
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
        self._drop(conn)

    def _drop(self, conn: Connection) -> None:
        conn.waits_in.remove(conn)
        self.poller.unregister(conn.sock)
        self._forget(conn)

    def _forget(self, conn: Connection) -> None:
        self.nr_conns -= 1
        conn.close()

    def _cap_keepalive(self, deadline: float) -> None:
        super()._cap_keepalive(deadline)
        for waiting in (self.pending_conns, self._partial):
            for conn in waiting:
                conn.cap(deadline)

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
                self._fail(request, conn, error)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            self._fail(request, conn, error)
        return False

    def handle_request(self, req: Any, conn: Connection) -> bool:
        """Run the application; say whether the response leaves the connection open."""
        if req._expected_100_continue:  # noqa: SLF001 - else it is sent before anybody reads
            req._expected_100_continue = False  # noqa: SLF001
            if not conn.parser.unreader.buf.tell():
                req.body.reader = Invitation(req.body.reader, conn.sock)
        response, environ = wsgi.create(
            req, conn.outlet, conn.client, conn.server, self.cfg, response_class=OneWrite
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

    def _fail(self, req: Any, conn: Connection, error: BaseException) -> None:
        """Answer a request that never reached the application, or that it failed on."""
        if conn.outlet.has_begun:
            # An error in the middle of an answer would be taken for a part of it.
            log_traceback("answer", error)
        else:
            refuse(conn.sock, req, error)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:  # noqa: FBT001
        if not keepalive:
            return False
        if not n_unread(conn.parser.mesg.body):
            return True
        patience = _PING_DRAIN_S if conn.is_ping else _DRAIN_S
        return bool(conn.parser.finish_body(deadline=time.monotonic() + patience))
