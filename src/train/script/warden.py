"""The process between `train` and the user's program: nothing that the program started outlives it.

Orphans of its descendants become its own children (Linux, prctl(2), PR_SET_CHILD_SUBREAPER), so
that also a daemon that left its group and its session is found.  It ends everything as well when
the process that started it has gone, however that went.

Run by its path with ``python -IS``, so that it starts in a hundredth of a second: it knows the
standard library only.  Its environment and its folder are the program's.

    warden.py CONTROL REPORT GRACE_S REACH PROGRAM [ARGUMENT …]

CONTROL is a pipe that ends with the owner; to REPORT go lines of text, `child` reads them.
REACH says who hears SIGTERM: the ``process`` alone, or its whole ``group``, as a shell passes no
signal on.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

# A signal is heard at once; only the owner's end is looked for.
_OWNER_POLL_S = 0.25
# A killed process that waits for a disk ends later than this.
_SWEEP_S = 10.0
_SWEEP_POLL_S = 0.005
_SUBREAPER = 36
_HEARD = (signal.SIGCHLD, signal.SIGTERM)
# Python ignores the last two, and whoever started this may ignore the others; that is inherited.
_RESTORED = (
    *(signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT),
    *(signal.SIGPIPE, signal.SIGXFSZ),
)


class Watch:
    """One program that is watched, and what is known of its end."""

    # No dataclass: its module would take a fifth of this process's time.
    def __init__(self, program: int, control: int, *, grace_s: float, reaches_group: bool) -> None:
        self.program = program
        self.control = control
        self.grace_s = grace_s
        self.reaches_group = reaches_group
        self.status: int | None = None
        self.stopped_at: float | None = None
        self.was_killed = False

    def wait(self) -> None:
        """Return when the program has ended, its grace is over, or the owner has gone."""
        while not self._is_over():
            info = signal.sigtimedwait(_HEARD, self._patience_s())
            if info is not None and info.si_signo == signal.SIGTERM:
                self._stop()
            has_children = self.reap()
            waits_for_group = self.reaches_group and self.stopped_at is not None
            if self.status is not None and not (waits_for_group and has_children):
                return
        self.was_killed = self.status is None

    def reap(self) -> bool:
        """Take the statuses of children that have ended; say whether others are left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.program:
                self.status = status

    def sweep(self) -> int:
        """Kill whatever is left; return how many processes that the program had left behind."""
        left_behind: set[int] = set()
        deadline = time.monotonic() + _SWEEP_S
        while self.reap() and time.monotonic() < deadline:
            alive = _descendants()
            left_behind |= alive - {self.program}
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if self.status is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.program, signal.SIGKILL)
            time.sleep(_SWEEP_POLL_S)
        return len(left_behind)

    def _stop(self) -> None:
        self.stopped_at = self.stopped_at or time.monotonic()
        if self.status is None or self.reaches_group:
            send = os.killpg if self.reaches_group else os.kill
            with contextlib.suppress(ProcessLookupError):
                send(self.program, signal.SIGTERM)

    def _is_over(self) -> bool:
        has_owner = not select.select([self.control], [], [], 0)[0]
        return not has_owner or (self.stopped_at is not None and self._patience_s() <= 0)

    def _patience_s(self) -> float:
        if self.stopped_at is None:
            return _OWNER_POLL_S
        left_s = self.stopped_at + self.grace_s - time.monotonic()
        return max(0.0, min(_OWNER_POLL_S, left_s))


def main(argv: list[str]) -> int:
    """Run the program and report how it ended; return 0."""
    control, report = int(argv[1]), int(argv[2])
    for descriptor in (control, report):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - it has no name for it
    _become_subreaper()
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Ctrl-C in a terminal reaches the owner, which stops this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program, refusal = _start(argv[5:])
    if refusal:
        _say(report, f"refused {refusal}")
        return 0
    _say(report, f"started {program}")
    watch = Watch(program, control, grace_s=float(argv[3]), reaches_group=argv[4] == "group")
    watch.wait()
    left_behind = watch.sweep()
    _say(report, f"ended {watch.status or 0} {left_behind} {int(watch.was_killed)}")
    return 0


def _start(command: list[str]) -> tuple[int, int]:
    """Start the program in a group of its own; return its id and the error of exec, 0 for none."""
    read_end, write_end = os.pipe()
    program = os.fork()
    if program == 0:
        try:
            os.setpgid(0, 0)
            for number in _RESTORED:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            os.execv(command[0], command)  # noqa: S606 - no shell is what is wanted
        except OSError as error:
            os.write(write_end, str(error.errno).encode())
        finally:
            os._exit(127)
    os.close(write_end)
    refusal = os.read(read_end, 16)
    os.close(read_end)
    return program, int(refusal or 0)


def _descendants() -> set[int]:
    """Return every living process below this one."""
    parents: dict[int, int] = {}
    for pid in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - as below
        # pathlib would take a third of this process's start.
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            # The name, in parentheses, may hold anything.
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            if state != b"Z":
                parents[int(pid)] = int(parent)
    found, others = {os.getpid()}, set(parents)
    while below := {pid for pid in others if parents[pid] in found}:
        found |= below
        others -= below
    return found - {os.getpid()}


def _become_subreaper() -> None:
    # Elsewhere than on Linux only the program's group is found.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _say(report: int, line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(report, line.encode() + b"\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv))
