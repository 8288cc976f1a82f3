"""How many threads this process may use.

Source: Linux, sched_getaffinity(2), Documentation/admin-guide/cgroup-v2.rst ("cpu.max") and
Documentation/scheduler/sched-bwc.rst (cgroup v1).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

CELLS_PER_THREAD = 25_000
"""Measured with XGBoost 3.2 and LightGBM 4.7: two threads gain nothing on 10,000 cells, and a
quarter on 100,000."""

_ROOT = Path("/")


def usable_threads(root: Path = _ROOT, *, affinity: int | None = None) -> int:
    """Count the threads that may run at once: the affinity mask, cut by any cgroup's CPU quota.

    Parameters
    ----------
    root : Path
        Where ``sys`` and ``proc`` are mounted.
    affinity : int, optional
        Processors that this process may run on; asked of the system when None.

    Returns
    -------
    int
        At least 1; a quota of 1.5 processors counts as 2.
    """
    n_processors = processors() if affinity is None else affinity
    quotas = [*_quotas_v2(root), *_quotas_v1(root)]
    return max(1, min([n_processors, *(math.ceil(quota) for quota in quotas)]))


def processors() -> int:
    """Count the processors that this process may run on, as OpenMP and BLAS do; no quota counts."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def useful_threads(n_threads: int, n_cells: int) -> int:
    """Return how many of `n_threads` a boosting library can use on rows × features cells.

    Starting and joining threads costs more than they save on small data: 100 rounds on 150 rows of
    4 features take several times as long with two threads as with one.  What is fitted does not
    depend on their number.
    """
    return max(1, min(n_threads, n_cells // CELLS_PER_THREAD))


def _quotas_v2(root: Path) -> list[float]:
    """Read the quota of this process's cgroup and of every cgroup above it."""
    top = root / "sys/fs/cgroup"
    quotas = []
    for folder in _with_parents(top, _own_group(root, "")):
        words = _words(folder / "cpu.max")
        if len(words) == 2 and words[0] != "max":
            quotas.append(_ratio(words[0], words[1]))
    return [quota for quota in quotas if quota > 0]


def _quotas_v1(root: Path) -> list[float]:
    quotas = []
    for name in ("cpu", "cpu,cpuacct"):
        top = root / "sys/fs/cgroup" / name
        for folder in _with_parents(top, _own_group(root, "cpu")):
            quota = _words(folder / "cpu.cfs_quota_us")
            period = _words(folder / "cpu.cfs_period_us")
            if quota and period:
                quotas.append(_ratio(quota[0], period[0]))
    return [quota for quota in quotas if quota > 0]


def _own_group(root: Path, controller: str) -> str:
    """Return this process's path in the hierarchy of a controller; '' names version 2."""
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return ""
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            return path.strip("/")
    return ""


def _with_parents(top: Path, group: str) -> list[Path]:
    parts = [part for part in group.split("/") if part not in ("", "..")]
    return [top.joinpath(*parts[:depth]) for depth in range(len(parts) + 1)]


def _words(path: Path) -> list[str]:
    # Absent in most places; unreadable in some containers.  Either way there is no limit to read.
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return []


def _ratio(quota: str, period: str) -> float:
    try:
        return int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return 0.0
