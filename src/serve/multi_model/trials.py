"""The server's end of the trial process: it is started, asked, and replaced when it dies."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from serve.multi_model.folders import without_paths
from serve.multi_model.trial import EXTRA_S, serve_trials_after_fork
from serve.refusals import Refusal
from serve.request_log import log_event

TRIAL_S = 20.0
"""A model that takes longer to be read and to predict is refused."""

# The trial process keeps time itself; beyond this it hangs, as in a swapping machine.
_PATIENCE_S = 30.0

# Measured: XGBoost takes 2.8 times its file, LightGBM 2.9, scikit-learn 3.0 (small models 5.8).
_FACTOR = 20
_FLOOR_BYTES = 64 * 1024 * 1024


class Trials:
    """Tries models one after the other in a process of their own.

    Parameters
    ----------
    seconds : float
        For reading a model and predicting some rows; 0 < seconds.
    """

    def __init__(self, seconds: float = TRIAL_S) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._pid = 0

    def start(self) -> None:
        """Fork the process where this one has a single thread; else the first trial starts it.

        A fork has the libraries imported already and shares their memory.
        """
        with self._lock:
            if self._channel is None and _is_single_threaded():
                self._fork()

    def require_good(self, folder: Path, most_bytes: int | None) -> int:
        """Try a model.

        Parameters
        ----------
        folder : Path
        most_bytes : int, optional
            What it may take of the memory.

        Returns
        -------
        int
            Bytes that it takes.

        Raises
        ------
        Refusal
            400: the model is damaged, hostile or of another format.  507: there is not enough
            memory for it.  503: trials are not possible now.
        """
        facts = self._ask({"folder": str(folder), "bytes": most_bytes, "seconds": self._seconds})
        if facts["verdict"] == "good":
            return int(facts["bytes"])
        reason = without_paths(facts["reason"], folder)
        if facts["verdict"] == "refused":
            raise Refusal(400, f"the model cannot be loaded: {reason}")
        if most_bytes is not None and most_bytes >= _most_needed(folder):
            # To say 507 would have the platform unload other models in vain.
            reason = "its files ask for far more memory than they explain, so they are damaged"
            raise Refusal(400, f"the model cannot be loaded: {reason}; train again")
        advice = "unload other models, or use an instance with more memory"
        raise Refusal(507, f"there is not enough memory for the model: {reason}; {advice}")

    def stop(self) -> None:
        """End the process; the next trial starts another."""
        with self._lock:
            self._end()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        line = json.dumps(request).encode("ascii") + b"\n"
        with self._lock:
            # Twice: whoever killed the process meant the process, not this model.
            for _ in range(2):
                answer = self._answer(line)
                if answer is not None:
                    return answer
                log_event("trial_process_died", {"pid": self._pid})
                self._end()
        raise Refusal(503, "the model could not be tried: the process for it died twice; try again")

    def _answer(self, line: bytes) -> dict[str, Any] | None:
        """Return what the process says; None where it died or hangs."""
        if self._channel is None:
            self._spawn()
        assert self._channel is not None
        try:
            self._channel.settimeout(self._seconds + EXTRA_S + _PATIENCE_S)
            self._channel.sendall(line)
            with self._channel.makefile("rb") as answers:
                answer = answers.readline()
        except OSError:
            return None
        return json.loads(answer) if answer.endswith(b"\n") else None

    def _fork(self) -> None:
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            serve_trials_after_fork(theirs)
        theirs.close()
        self._channel, self._pid = ours, pid

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        module = serve_trials_after_fork.__module__
        with theirs:
            number = theirs.fileno()
            process = subprocess.Popen(  # noqa: S603 (our own module)
                [sys.executable, "-I", "-m", module, str(number)],
                stdin=subprocess.DEVNULL,
                pass_fds=(number,),
            )
        # From here on `_end` reaps it, as it does a fork.
        process.returncode = 0
        self._channel, self._pid = ours, process.pid

    def _end(self) -> None:
        if self._channel is None:
            return
        self._channel.close()
        self._channel = None
        with suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)


def _most_needed(folder: Path) -> int:
    """Estimate, generously, the bytes that a sound model takes."""
    with suppress(OSError), os.scandir(folder) as entries:
        sizes = [entry.stat(follow_symlinks=False).st_size for entry in entries]
        return _FACTOR * sum(sizes) + _FLOOR_BYTES
    return _FLOOR_BYTES


def _is_single_threaded() -> bool:
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 (short)
    except OSError:
        return False
