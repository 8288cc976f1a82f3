"""Runs the application under gunicorn in this process: one master, forked workers, clean ends.

The port is taken first, so that a port in use is found at once; it listens only when the model is
loaded.  The master has one thread when it forks: neither control socket nor anything else of
gunicorn that would start another.

Source: gunicorn 27, ``arbiter.py`` and ``config.py``; AWS docs, "Use Your Own Inference Code"
(SIGTERM, then 30 s).
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import resource
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from crossfold.errors import UserError
from serve.request_log import log_event
from serve.settings import PORT_NAMES, Settings

GRACE_S = 25
"""SageMaker kills 30 s after SIGTERM."""

KEEPALIVE_S = 75
"""Longer than SageMaker's own proxies keep an idle connection, so that they close it, not we."""

BACKLOG = 2048

_LEAST_TIMEOUT_S = 5
"""A worker gives a sign of life every second."""

_INSIST_S = 1.0
"""The way out takes a few milliseconds; whoever is still here then has lost what was raised."""

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes its files there safely
_MAX_CONNECTIONS = 4096
_SPARE_FILES = 64
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
_UNUSED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)


class Service(Protocol):
    """A WSGI application that its worker processes start once each."""

    def __call__(self, environ: dict[str, Any], start_response: Any, /) -> Iterable[bytes]:
        """Answer a request."""

    def start_worker(self) -> None:
        """Begin a worker process, after the fork and before it has threads."""

    def close(self) -> None:
        """Tidy up in the process that built the service, when no worker is left."""


def serve(settings: Settings, build: Callable[[Settings], Service]) -> int:
    """Load, listen, answer until a signal ends it, and drain; return the exit code, 0 or 1.

    Parameters
    ----------
    settings : Settings
    build : callable
        Loads what is to be served; it may start no thread.

    Raises
    ------
    UserError
        The port is taken, or there is nothing that can be served.
    PlatformError
        The model cannot be read.
    SystemExit
        In a worker process, at its end.
    """
    with heeded_signals():
        return _load_and_run(settings, build)


@contextlib.contextmanager
def heeded_signals() -> Iterator[None]:
    """End with code 0 at a signal to stop, from now until the port is open; ignore others.

    As process 1 of a container this process would not even notice a signal without a handler.
    """
    # After a stop that was lost the alarm insists, and no other one is heeded.
    if signal.getsignal(signal.SIGALRM) is not _insist:
        for number in _STOPS:
            signal.signal(number, _leave)
    for number in _UNUSED:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        # Python forgets the handlers while it ends: one more alarm would kill it.
        signal.setitimer(signal.ITIMER_REAL, 0)


def _load_and_run(settings: Settings, build: Callable[[Settings], Service]) -> int:
    listener = _take_port(settings.port, is_local=settings.is_local)
    # Nothing that loading creates is garbage for long, and collecting it costs a tenth of the time.
    gc.disable()
    service = build(settings)
    # A collection in a worker would otherwise touch, and so copy, all that the workers share.
    gc.freeze()
    gc.enable()
    return _run(settings, service, listener)


def _run(settings: Settings, service: Service, listener: socket.socket) -> int:
    from serve.gunicorn_master import Master, Preloaded

    master = os.getpid()
    options = _options(settings, listener.detach())
    try:
        Master(Preloaded(service, options)).run()
    except SystemExit as end:
        if os.getpid() != master:
            raise
        # Its other codes say which of its own steps failed.
        return 0 if end.code in (None, 0) else 1
    finally:
        if os.getpid() == master:
            service.close()
    return 0


def _take_port(port: int, *, is_local: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        # A container is reached from outside.
        listener.bind(("127.0.0.1" if is_local else "0.0.0.0", port))  # noqa: S104
    except OSError as error:
        listener.close()
        reason = "is in use" if error.errno == errno.EADDRINUSE else f"({error.strerror})"
        message = (
            f"port {port} cannot be taken: it {reason}; stop the other process or set "
            f"{PORT_NAMES[0]} to a free port"
        )
        raise UserError(message) from error
    return listener


def _options(settings: Settings, listener: int) -> dict[str, Any]:
    from serve.gunicorn_master import LineLogger
    from serve.worker import Worker

    return {
        "bind": [f"fd://{listener}"],
        "workers": settings.n_workers,
        "threads": settings.n_threads,
        "worker_class": Worker,
        "worker_connections": _connections(settings.n_threads),
        "worker_tmp_dir": _signs_of_life(),
        "timeout": max(settings.timeout_s, _LEAST_TIMEOUT_S),
        "graceful_timeout": GRACE_S,
        "keepalive": KEEPALIVE_S,
        "backlog": BACKLOG,
        "preload_app": True,
        "pre_fork": _equipping(settings),
        "logger_class": LineLogger,
        "control_socket_disable": True,
        "dirty_workers": 0,
        "http_protocols": "h1",
        "http2_cleartext": "off",
        "http_parser": "python",
        "forwarded_allow_ips": "",
        "limit_request_line": 4094,
        "limit_request_fields": 100,
        "limit_request_field_size": 8190,
    }


def _equipping(settings: Settings) -> Callable[[Any, Any], None]:
    """Return what gunicorn calls with its master and with each worker before that is forked."""
    from serve.seats import Seats

    seats = Seats(settings.n_workers)

    def equip(master: Any, worker: Any) -> None:
        worker.max_body_bytes = settings.max_body_bytes
        worker.seat = seats.seat({each.seat.at for each in master.WORKERS.values()})

    return equip


def _connections(n_threads: int) -> int:
    """Return how many connections a worker may hold, after asking for as many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MAX_CONNECTIONS + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return _MAX_CONNECTIONS
    return max(n_threads + 1, min(_MAX_CONNECTIONS, soft - _SPARE_FILES))


def _signs_of_life() -> str:
    """Return the folder for the files that a worker touches every second: no disk, if possible."""
    if _SHARED_MEMORY.is_dir() and os.access(_SHARED_MEMORY, os.W_OK | os.X_OK):
        return str(_SHARED_MEMORY)
    return tempfile.gettempdir()


def _leave(number: int, _frame: object) -> None:
    """End while the model is still being loaded."""
    # What is left behind is tidied up on the way out, and another signal must not end that.
    for each in _STOPS:
        signal.signal(each, signal.SIG_IGN)
    log_event("stopped", {"signal": signal.Signals(number).name, "before": "listening"})
    sys.unraisablehook = _tell_of_others
    signal.signal(signal.SIGALRM, _insist)
    signal.setitimer(signal.ITIMER_REAL, _INSIST_S, _INSIST_S)
    raise SystemExit(0)


def _tell_of_others(lost: sys.UnraisableHookArgs) -> None:
    """Keep this end out of the log where it is lost: it comes again."""
    if not issubclass(lost.exc_type, SystemExit):
        sys.__unraisablehook__(lost)


def _insist(_number: int, _frame: object) -> None:
    """Leave once more: what is raised inside a callback, such as Python's imports have, is lost."""
    if signal.getsignal(signal.SIGTERM) != signal.SIG_IGN:
        # Somebody else sees to signals by now: the master, who has workers to stop.
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.raise_signal(signal.SIGTERM)
        return
    handled = sys.exc_info()[1]
    while handled is not None and not isinstance(handled, SystemExit):
        handled = handled.__context__
    # If there is one, this is on the way out, and tidies up.
    if handled is None:
        raise SystemExit(0)
