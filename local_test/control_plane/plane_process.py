"""A plane as a child process: started, asked for its variables, ended with everything it began."""

from __future__ import annotations

import contextlib
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_test.control_plane.listening import free_port

__all__ = ["PlaneFailed", "RunningPlane", "free_port", "plane_process", "read_exports"]

_LOOK_S = 0.05
_READY_S = 60.0
# The plane gives its containers a grace before it kills them; this is the wait for the plane.
_END_S = 30.0
_LAST_LINES = 5


class PlaneFailed(Exception):
    """The plane did not start, or did not end as it should."""


@dataclass(frozen=True, slots=True)
class RunningPlane:
    """A plane that is ready; `exports` are the variables that its clients need."""

    pid: int
    exports: Mapping[str, str]

    @property
    def url(self) -> str:
        """The address of everything that the plane serves."""
        return self.exports["AWS_ENDPOINT_URL"]


@contextlib.contextmanager
def plane_process(
    command: Sequence[str], log: Path, *, ready_s: float = _READY_S, end_s: float = _END_S
) -> Iterator[RunningPlane]:
    """Run the plane of `command` for the block; what it says goes to `log`.

    Raises
    ------
    PlaneFailed
        It ended before it was ready, or was not ready in `ready_s` seconds; or it had to be killed,
        twice `end_s` seconds after it was asked to end, or left processes.
    """
    with log.open("wb") as output:
        # A session of its own: Ctrl-C reaches us alone, and we end the plane in order.
        process = subprocess.Popen(  # noqa: S603 - a list of words, no shell
            list(command), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield RunningPlane(process.pid, _wait_until_ready(process, log, ready_s))
    finally:
        _end(process, log, end_s)


def read_exports(text: str) -> dict[str, str]:
    """Return the variables of the lines ``export NAME=value``, read as a shell reads them.

    >>> read_exports("export AWS_REGION='us-east-1'")
    {'AWS_REGION': 'us-east-1'}
    """
    found = {}
    for line in text.splitlines():
        if line.startswith("export "):
            name, _, value = shlex.split(line)[1].partition("=")
            found[name] = value
    return found


def _wait_until_ready(
    process: subprocess.Popen[bytes], log: Path, ready_s: float
) -> dict[str, str]:
    deadline = time.monotonic() + ready_s
    while True:
        code, text = process.poll(), log.read_text(encoding="utf-8", errors="replace")
        if "ready" in text.splitlines():
            return read_exports(text)
        if code is not None:
            raise PlaneFailed(f"the control plane ended with exit code {code}: {_last(text)}")
        if time.monotonic() > deadline:
            raise PlaneFailed(f"the control plane was not ready in {ready_s:g} s: {_last(text)}")
        time.sleep(_LOOK_S)


def _end(process: subprocess.Popen[bytes], log: Path, end_s: float) -> None:
    if process.poll() is not None:
        return
    # Jobs are in sessions of their own, so only the tree tells what belongs to the plane.
    family = psutil.Process(process.pid).children(recursive=True)
    for _ in range(2):
        # The second signal asks the plane to end its jobs at once.
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
            process.wait(end_s)
            break
    else:
        process.kill()
        process.wait()
    left = [each for each in family if _runs(each)]
    for each in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    # One that begins does not listen to the signal yet, which ends it at once then.
    is_broken = process.returncode < 0 and process.returncode != -signal.SIGTERM
    if left or is_broken:
        raise PlaneFailed(
            f"the control plane left {len(left)} processes and ended with code "
            f"{process.returncode}; they are killed now, its log is {log}"
        )


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _last(text: str) -> str:
    return " / ".join(text.splitlines()[-_LAST_LINES:]) or "it printed nothing"
