"""Start commands, and measure them from outside: wall time and peak memory (Linux).

A process's peak, as the kernel counts it, starts with what its parent held when it was started.
So nothing that `run.py` imports before it measures may import NumPy: data, plots and everything
else that is heavy is made by child processes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_BENCH = Path(__file__).resolve().parent
_LEAN = _BENCH / "lean.py"
_SHOWN_LINES = 15
_BUSY_SHARE = 0.1
# These change what the tool does or how many threads a library takes.
_LEFT_OUT = (
    *("SAGEMAKER", "CV_", "ALGORITHM_CHOICE", "OMP_", "SM_"),
    *("CROSSFOLD_", "MODEL_SERVER_", "MAX_CONTENT_LENGTH"),
)


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Command:
    """One program to measure.

    Attributes
    ----------
    name : str
        What tables call it.
    argv : sequence of str
    environ : mapping
        Added to the environment.
    prepare : callable
        Called before every run, outside the measured time; such as to delete old results.
    collect : callable
        Called after every run; what it returns is kept in the run.
    """

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], None] = _nothing
    collect: Callable[[], dict[str, Any]] = dict


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of a command took.

    Attributes
    ----------
    wall_s : float
        From the start of the process to its end.
    cpu_s : float
        User and system time of the process and its descendants.
    others_cpu_s : float
        Time that the machine's cores spent on anything else meanwhile.
    peak_bytes : int
        Greatest resident size of any one process among it and its descendants.
    collected : dict
        What the command's `collect` found.
    """

    wall_s: float
    cpu_s: float
    others_cpu_s: float
    peak_bytes: int
    collected: dict[str, Any]


def tool(name: str) -> tuple[str, ...]:
    """Return the argument list of a command of ours, such as ``train``."""
    return (sys.executable, "-Iu", str(_LEAN), "run", name)


def bare_imports(*modules: str) -> tuple[str, ...]:
    """Return the argument list of an interpreter that imports `modules` and ends."""
    return (sys.executable, "-Iu", str(_LEAN), "import", *modules)


def script(name: str, *arguments: object) -> tuple[str, ...]:
    """Return the argument list of a script in this folder, such as a peer."""
    return (sys.executable, "-u", str(_BENCH / name), *map(str, arguments))


def environment() -> dict[str, str]:
    """Return the environment without what would change a program that is measured."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_LEFT_OUT)}


def run(command: Command) -> Run:
    """Run a command once.

    Raises
    ------
    SystemExit
        The command failed; the end of what it said is shown.
    """
    command.prepare()
    busy_before_s = busy_s()
    started = time.perf_counter()
    with subprocess.Popen(
        command.argv,
        env=environment() | dict(command.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        output = process.stdout.read() if process.stdout is not None else ""
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        end = "\n".join(output.splitlines()[-_SHOWN_LINES:])
        raise SystemExit(f"{command.name} ended with {process.returncode}:\n{end}")
    cpu_s = usage.ru_utime + usage.ru_stime
    others_cpu_s = max(0.0, busy_s() - busy_before_s - cpu_s)
    return Run(wall_s, cpu_s, others_cpu_s, usage.ru_maxrss * 1024, command.collect())


def interleave(
    commands: Iterable[Command], repeats: int, *, known: Mapping[str, Sequence[Run]] | None = None
) -> dict[str, list[Run]]:
    """Run the commands in turn, A B A B, so that all of them meet the same weather.

    Runs that are `known` already come first in what is returned.
    """
    commands = list(commands)
    runs = {c.name: list(known[c.name]) if known else [] for c in commands}
    for _ in range(repeats):
        for command in commands:
            runs[command.name].append(run(command))
    return runs


def weather(runs: Iterable[Run]) -> str:
    """Say how much of the machine others took during the runs, for the notes of a table."""
    runs = list(runs)
    return weather_note(sum(r.others_cpu_s for r in runs), sum(r.wall_s for r in runs))


def weather_note(others_cpu_s: float, wall_s: float) -> str:
    """Say what share of all cores others took."""
    share = others_cpu_s / (wall_s * (os.cpu_count() or 1))
    warning = "; measure again when they are idle" if share > _BUSY_SHARE else ""
    return f"other processes took {100 * share:.0f} % of the cores meanwhile{warning}"


def median_wall_s(runs: Iterable[Run]) -> float:
    """Return the median of the wall times."""
    return statistics.median(each.wall_s for each in runs)


def median_ratio(ours: Sequence[Run], theirs: Sequence[Run]) -> float:
    """Return the median over pairs that ran beside each other of our time by theirs."""
    return statistics.median(
        own.wall_s / other.wall_s for own, other in zip(ours, theirs, strict=True)
    )


def busy_s() -> float:
    """Return the seconds that all cores have been busy for since the machine started."""
    words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, _steal = map(int, words)
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
