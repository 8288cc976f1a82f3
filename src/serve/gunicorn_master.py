"""gunicorn's master process as this server needs it: quiet, JSON in its log, and few signals.

Extends gunicorn 27, ``arbiter.py``, ``app/base.py`` and ``glogging.py``.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer

from serve.request_log import log_event

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


class Preloaded(BaseApplication):  # type: ignore[misc] # gunicorn ships no types
    """An application that is there already, with options instead of a configuration file."""

    def __init__(self, application: Any, options: Mapping[str, Any]) -> None:
        self._application = application
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._application


class Master(Arbiter):  # type: ignore[misc] # gunicorn ships no types
    """Forks workers, replaces them, and stops them at a signal."""

    # The others would start a second master, or workers that share no model with these.
    SIGNALS = _STOPS

    _is_halting = False

    def halt(self, reason: str | None = None, exit_status: int = 0) -> None:
        """Stop all workers and leave."""
        self._is_halting = True
        super().halt(reason, exit_status)

    def reap_workers(self) -> None:
        """Take leave of ended workers; one that could not begin ends the server, but once only."""
        try:
            super().reap_workers()
        except HaltServer:
            if not self._is_halting:
                raise

    def handle_hup(self) -> None:
        """Stop, as at SIGTERM: there is no configuration to read again."""
        self.handle_term()

    def spawn_worker(self) -> Any:
        """Fork, and hold signals back until the new process has handlers of its own."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)


class LineLogger:
    """Writes what gunicorn says as one JSON line each, by the methods that gunicorn calls."""

    access_log_enabled = False

    def __init__(self, cfg: Any) -> None:
        self.cfg = cfg

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg

    def debug(self, message: str, *values: Any, **options: Any) -> None:
        """Write nothing."""

    def info(self, message: str, *values: Any, **options: Any) -> None:
        _log("info", message, values)

    def warning(self, message: str, *values: Any, **options: Any) -> None:
        _log("warning", message, values)

    def error(self, message: str, *values: Any, **options: Any) -> None:
        _log("error", message, values, with_traceback=bool(options.get("exc_info")))

    def critical(self, message: str, *values: Any, **options: Any) -> None:
        _log("error", message, values)

    def exception(self, message: str, *values: Any, **options: Any) -> None:
        _log("error", message, values, with_traceback=True)

    def access(self, *facts: Any) -> None:
        """Write nothing: the application logs its requests."""

    def reopen_files(self) -> None:
        """Do nothing: there are no files."""

    def close_on_exec(self) -> None:
        """Do nothing: there are no files."""


def _log(
    level: str, message: str, values: tuple[Any, ...], *, with_traceback: bool = False
) -> None:
    text = message % values if values else message
    facts: dict[str, object] = {"level": level, "pid": os.getpid(), "message": text}
    if with_traceback and sys.exc_info()[0] is not None:
        facts["traceback"] = traceback.format_exc()
    log_event("server", facts)
