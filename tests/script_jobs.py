"""Jobs that run a user's script: the tree, how it ended, and what is left running afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from crossfold.contract.paths import OptMl
from tests.in_process import write_job

MARKER = "CROSSFOLD_TEST_MARKER"
_TIMEOUT_S = 120
# What a job leaves behind in these tests sleeps for a minute.
_SOON_S = 10.0


@dataclass(frozen=True, slots=True)
class ScriptEnded:
    """How a job with a script ended."""

    opt_ml: OptMl
    code: int
    output: bytes
    errors: bytes
    seconds: float
    left_running: tuple[str, ...]

    @property
    def failure(self) -> str | None:
        """The failure file; None where there is none."""
        path = self.opt_ml.failure
        return path.read_text(encoding="utf-8") if path.is_file() else None

    @property
    def own_output(self) -> bytes:
        """Standard output without our lines before the script and the reason at the end."""
        _, _, rest = self.output.partition(b" hyperparameters\n")
        line = b"" if self.failure is None else self.failure.encode()
        return rest.removesuffix(line)


def script_job(
    root: Path,
    files: Mapping[str, str | bytes],
    hyperparameters: Mapping[str, object] | None = None,
    *,
    program: str = "train.py",
    channels: Mapping[str, Mapping[str, str | bytes]] | None = None,
) -> OptMl:
    """Write the tree of a job whose code lies in ``code`` already, as an image brings it."""
    given = {"sagemaker_program": program, **(hyperparameters or {})}
    opt_ml = write_job(root, given, channels or {})
    for name, content in files.items():
        path = root / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return opt_ml


def run_script_job(
    opt_ml: OptMl,
    *,
    stop_at: bytes | None = None,
    act: Callable[[subprocess.Popen[bytes]], None] | None = None,
    python: str = sys.executable,
    **environ: str,
) -> ScriptEnded:
    """Run the job; at the first output that holds `stop_at`, send SIGTERM or `act`."""
    marker = uuid.uuid4().hex
    started = time.monotonic()
    output, errors = opt_ml.root / "stdout", opt_ml.root / "stderr"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [python, "-Iu", "-m", "train"],
            env={
                "PATH": os.environ["PATH"],
                "SAGEMAKER_BASE_DIR": str(opt_ml.root),
                MARKER: marker,
                **environ,
            },
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
        try:
            if stop_at is not None:
                _wait_for(output, stop_at, process)
                started = time.monotonic()
                if act is None:
                    process.send_signal(signal.SIGTERM)
                else:
                    act(process)
            process.wait(_TIMEOUT_S)
        finally:
            process.kill()
    seconds = time.monotonic() - started
    left = _still_running(marker)
    return ScriptEnded(
        opt_ml, process.returncode, output.read_bytes(), errors.read_bytes(), seconds, left
    )


def _wait_for(path: Path, text: bytes, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while text not in path.read_bytes():
        assert process.poll() is None, path.read_bytes().decode()
        assert time.monotonic() < deadline, path.read_bytes().decode()
        time.sleep(0.01)


def _still_running(marker: str) -> tuple[str, ...]:
    """Return the command of every process with the marker that does not end soon, and end it."""
    deadline = time.monotonic() + _SOON_S
    # A process that was killed may take a moment to die.
    while (found := _marked(marker)) and time.monotonic() < deadline:
        time.sleep(0.05)
    words = []
    for process in found:
        with contextlib.suppress(psutil.Error):
            words.append(" ".join(process.cmdline()))
            process.kill()
    return tuple(words)


def _marked(marker: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == marker and process.status() != "zombie":
                found.append(process)
        except psutil.Error:
            continue
    return found
