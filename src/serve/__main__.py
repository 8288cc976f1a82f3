"""The command ``serve``: the process's environment is read here and nowhere else."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from crossfold.errors import CrossfoldError
from serve.server import heeded_signals, serve
from serve.settings import Settings

# Requests run side by side already, and a library that starts threads before the server forks
# leaves locks that nobody opens in the forked processes.
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# gunicorn and its parser would take these from a surrounding server for their own.
_FOREIGN = (
    "GUNICORN_FD",
    "GUNICORN_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "PORT",
    "SCRIPT_NAME",
    "SENDFILE",
    "WEB_CONCURRENCY",
)

_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


def main() -> int:
    """Serve the model that lies under ``/opt/ml``; return the exit code, 0 or 1."""
    with heeded_signals():
        return _serve()


def _serve() -> int:
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    # One of pyarrow's allocators, which we do not use, would start a thread before the fork.
    os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
    for name in _FOREIGN:
        os.environ.pop(name, None)
    try:
        settings = Settings.from_environ(dict(os.environ))
        with _metrics_folder(is_wanted=settings.has_metrics):
            # After the environment is set: this imports the libraries that read it.
            from serve.app import build

            return serve(settings, build)
    except CrossfoldError as error:
        reason = " ".join(str(error).split())
        sys.stdout.write(f"{type(error).__name__}: {reason}\n")
        sys.stdout.flush()
        return 1


@contextlib.contextmanager
def _metrics_folder(*, is_wanted: bool) -> Iterator[None]:
    """Name a folder in which the workers' counts lie, until this process ends."""
    if not is_wanted:
        yield
        return
    owner = os.getpid()
    # Named before it is made: a signal in between leaves nothing behind.
    folder = Path(tempfile.gettempdir(), f"crossfold-metrics-{os.urandom(8).hex()}")
    try:
        folder.mkdir(0o700)
        os.environ[_METRICS_FOLDER] = str(folder)
        yield
    finally:
        # Workers, which are forks of this process, come by here too.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    raise SystemExit(main())
