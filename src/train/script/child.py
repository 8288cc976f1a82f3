"""Run one program as a child, stop it when the job is stopped, and tell how it ended.

Its standard output is this process's own: byte for byte, in its own time.  Its standard error
passes through this process, which keeps the end of it for the reason of a failure.  A second
process, `warden`, sees to it that nothing is left running.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from crossfold.contract.stop import StopRequest
from crossfold.errors import PlatformError, UserError

Reach = Literal["process", "group"]

# Named and not imported: it is a process of its own, whose modules this one does not need.
_WARDEN = Path(__file__).with_name("warden.py")
_STOP_POLL_S = 0.05
_BLOCK_BYTES = 1 << 16
# Holds the last lines also where each of them is as long as CloudWatch takes.
_KEPT_BYTES = 1 << 18
# The writers are gone, so that the pipe's end has only to be read.
_DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Program:
    """What to run.

    Attributes
    ----------
    argv : sequence of str
        The first is a path.  No shell ever sees any of it.
    folder : Path
    environ : mapping
        The whole environment.
    reach : {'process', 'group'}
        Who hears SIGTERM: a shell passes none on, so that its whole group must.
    """

    argv: Sequence[str]
    folder: Path
    environ: Mapping[str, str]
    reach: Reach = "process"


@dataclass(frozen=True, slots=True)
class Ending:
    """How the program ended.

    Attributes
    ----------
    code : int
        Its exit code; the negative number of the signal that ended it.
    was_stopped : bool
        Whether it was sent SIGTERM.
    was_killed : bool
        Whether it was still running at the end of the grace.
    left_behind : int
        Processes that were still running when it had ended, and were killed.
    errors : bytes
        The end of its standard error.
    """

    code: int
    was_stopped: bool = False
    was_killed: bool = False
    left_behind: int = 0
    errors: bytes = b""


def run_child(
    program: Program,
    stop: StopRequest,
    *,
    grace_s: float,
    on_output: Callable[[bytes], None] | None = None,
    into: int | None = None,
) -> Ending:
    """Run a program to its end, or to its end after a stop.

    Parameters
    ----------
    program : Program
    stop : StopRequest
        Passed on as SIGTERM, at once.
    grace_s : float
        Seconds between SIGTERM and SIGKILL.
    on_output : callable, optional
        Also gets the bytes of standard output, in blocks as they come.
    into : int, optional
        Descriptor that gets both streams instead of this process's own.

    Raises
    ------
    UserError
        It cannot be started.
    PlatformError
        Its warden was killed.
    """
    control_read, control_write = os.pipe()
    report_read, report_write = os.pipe()
    # Whatever happens here, the end of this pipe ends the program.
    with os.fdopen(control_write, "wb"), os.fdopen(report_read, "rb", buffering=0) as report:
        try:
            command = (str(control_read), str(report_write), str(grace_s), program.reach)
            stdout = into if on_output is None else subprocess.PIPE
            process = _start(program, command, (control_read, report_write), stdout)
        finally:
            os.close(control_read)
            os.close(report_write)
        passing = [_Passing(process.stderr, 2 if into is None else into)]
        if process.stdout is not None:
            passing.append(_Passing(process.stdout, 1 if into is None else into, on_output))
        lines, was_told = _follow(process, report, stop)
        process.wait()
        _end_unwatched(lines)
        for each in passing:
            each.join(_DRAIN_S)
    return _ending(program, lines, bytes(passing[0].kept), was_stopped=was_told)


def _start(
    program: Program,
    command: Sequence[str],
    descriptors: tuple[int, int],
    stdout: int | None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - no shell
            [sys.executable, "-ISu", str(_WARDEN), *command, *program.argv],
            env=dict(program.environ),
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{_name(program)} cannot be started: {error}") from error


@dataclass(slots=True)
class _Passing:
    """A thread that passes a stream through, block by block, and keeps its end."""

    source: IO[bytes] | None
    target: int
    also: Callable[[bytes], None] | None = None
    kept: bytearray = field(default_factory=bytearray)
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, name="passing", daemon=True)
        self.thread.start()

    def join(self, timeout_s: float) -> None:
        self.thread.join(timeout_s)

    def _run(self) -> None:
        assert self.source is not None
        with self.source, contextlib.suppress(OSError, ValueError):
            while block := os.read(self.source.fileno(), _BLOCK_BYTES):
                _write_all(self.target, block)
                if self.also is not None:
                    self.also(block)
                self.kept += block
                del self.kept[:-_KEPT_BYTES]


def _write_all(target: int, block: bytes) -> None:
    """Write a block; a log that nobody reads any more must not end the program."""
    view = memoryview(block)
    while view:
        try:
            view = view[os.write(target, view) :]
        except BlockingIOError:
            select.select([], [target], [])
        except OSError:
            return


def _follow(
    process: subprocess.Popen[bytes], report: IO[bytes], stop: StopRequest
) -> tuple[list[list[str]], bool]:
    """Pass a stop on; return the words of the warden's lines, and whether there was a stop."""
    text, was_told = b"", False
    while True:
        if stop.is_set and not was_told:
            process.send_signal(signal.SIGTERM)
            was_told = True
        if not select.select([report], [], [], None if was_told else _STOP_POLL_S)[0]:
            continue
        block = report.read(_BLOCK_BYTES)
        if not block:
            return [line.split() for line in text.decode().splitlines()], was_told
        text += block


def _end_unwatched(lines: Sequence[Sequence[str]]) -> None:
    """End the program whose warden was killed before it could tell the end."""
    said = {words[0]: words[1:] for words in lines}
    if "started" in said and "ended" not in said:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(int(said["started"][0]), signal.SIGKILL)


def _ending(
    program: Program, lines: Sequence[Sequence[str]], errors: bytes, *, was_stopped: bool
) -> Ending:
    said = {words[0]: list(map(int, words[1:])) for words in lines}
    if "refused" in said:
        reason = os.strerror(said["refused"][0])
        raise UserError(
            f"{_name(program)} cannot be executed: {reason}; a program that starts with '#!' needs "
            "the interpreter that it names"
        )
    if "ended" in said:
        status, left_behind, was_killed = said["ended"]
        code = os.waitstatus_to_exitcode(status)
        return Ending(code, was_stopped, bool(was_killed), left_behind, errors)
    if "started" not in said and was_stopped:
        return Ending(-signal.SIGTERM, was_stopped)
    raise PlatformError(f"the process that watched {_name(program)} was killed; see the log")


def _name(program: Program) -> str:
    return Path(program.argv[0]).name
