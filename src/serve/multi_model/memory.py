"""How much memory a further model may take.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst ("memory.max"), cgroup-v1/memory.rst and
proc(5) ("MemAvailable").
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")
_RESERVE = 0.1
_V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_V2 = ("memory.max", "memory.current", "inactive_file")


def available_bytes(root: Path = _ROOT) -> int | None:
    """Count the bytes that are free for models; a tenth of all memory is kept in reserve.

    Parameters
    ----------
    root : Path
        Where ``sys`` and ``proc`` are mounted.

    Returns
    -------
    int, optional
        The least that the machine and any cgroup leave, 0 where the reserve is in use already;
        None where the system tells nothing.
    """
    spaces = [*_machine(root), *_groups(root)]
    return max(0, min(spaces)) if spaces else None


def _machine(root: Path) -> Iterator[int]:
    facts = _facts(root / "proc/meminfo")
    if "MemAvailable:" in facts and "MemTotal:" in facts:
        yield facts["MemAvailable:"] * 1024 - int(_RESERVE * facts["MemTotal:"] * 1024)


def _groups(root: Path) -> Iterator[int]:
    """Yield what each cgroup of this process leaves, its own and those above it."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:
            yield from _limits(root / "sys/fs/cgroup", group, _V2)
        elif "memory" in controllers.split(","):
            yield from _limits(root / "sys/fs/cgroup/memory", group, _V1)


def _limits(top: Path, group: str, names: tuple[str, str, str]) -> Iterator[int]:
    limit_name, usage_name, cache_name = names
    parts = [part for part in group.split("/") if part not in ("", "..")]
    for depth in range(len(parts) + 1):
        folder = top.joinpath(*parts[:depth])
        limit, usage = _text(folder / limit_name).strip(), _text(folder / usage_name).strip()
        # ``max`` is no limit; version 1 says a number near 2^63 instead, which the machine's own
        # memory undercuts.
        if limit.isdecimal() and usage.isdecimal():
            # Files that were read count as used, and are dropped as soon as memory is wanted.
            cached = _facts(folder / "memory.stat").get(cache_name, 0)
            yield int(limit) - int(_RESERVE * int(limit)) - int(usage) + cached


def _facts(path: Path) -> dict[str, int]:
    words = [line.split() for line in _text(path).splitlines()]
    return {line[0]: int(line[1]) for line in words if len(line) >= 2 and line[1].isdecimal()}


def _text(path: Path) -> str:
    # Absent in most places; unreadable in some containers.  Either way there is no limit to read.
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
