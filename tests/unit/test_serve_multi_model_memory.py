from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from serve.decoding.allocation import give_back
from serve.multi_model.memory import available_bytes

MB = 1024 * 1024
MEMINFO = "MemTotal:       1024000 kB\nMemFree:          1000 kB\nMemAvailable:    614400 kB\n"
ROOMY = 600 * MB - 100 * MB
"""What the machine above leaves: 600 MB, less a tenth of 1,000 MB."""


def _machine(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return root


def test_a_machine_without_groups_leaves_what_is_available_less_a_tenth(tmp_path: Path) -> None:
    assert available_bytes(_machine(tmp_path, {})) == ROOMY


@pytest.mark.parametrize("group", ["/", "/kubepods/pod1"])
def test_version_2_counts_files_that_were_read_as_free(tmp_path: Path, group: str) -> None:
    folder = f"sys/fs/cgroup{group}".rstrip("/")
    root = _machine(
        tmp_path,
        {
            "proc/self/cgroup": f"0::{group}\n",
            f"{folder}/memory.max": f"{400 * MB}\n",
            f"{folder}/memory.current": f"{250 * MB}\n",
            f"{folder}/memory.stat": f"anon {150 * MB}\ninactive_file {90 * MB}\nslab 7\n",
        },
    )

    assert available_bytes(root) == 400 * MB - 40 * MB - 250 * MB + 90 * MB


def test_the_tightest_group_above_counts(tmp_path: Path) -> None:
    root = _machine(
        tmp_path,
        {
            "proc/self/cgroup": "0::/a/b\n",
            "sys/fs/cgroup/a/memory.max": f"{200 * MB}\n",
            "sys/fs/cgroup/a/memory.current": f"{150 * MB}\n",
            "sys/fs/cgroup/a/b/memory.max": "max\n",
            "sys/fs/cgroup/a/b/memory.current": f"{10 * MB}\n",
        },
    )

    assert available_bytes(root) == 200 * MB - 20 * MB - 150 * MB


def test_version_1_is_read_from_the_controller_of_memory(tmp_path: Path) -> None:
    top = "sys/fs/cgroup/memory"
    root = _machine(
        tmp_path,
        {
            "proc/self/cgroup": "8:pids:/x\n4:memory:/job\n0::/\n",
            f"{top}/memory.limit_in_bytes": "9223372036854771712\n",
            f"{top}/memory.usage_in_bytes": "1\n",
            f"{top}/job/memory.limit_in_bytes": f"{300 * MB}\n",
            f"{top}/job/memory.usage_in_bytes": f"{100 * MB}\n",
            f"{top}/job/memory.stat": f"cache 9\ntotal_inactive_file {5 * MB}\n",
        },
    )

    assert available_bytes(root) == 300 * MB - 30 * MB - 100 * MB + 5 * MB


def test_memory_that_the_reserve_needs_is_none(tmp_path: Path) -> None:
    root = _machine(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": "1000\n",
            "sys/fs/cgroup/memory.current": "950\n",
        },
    )

    assert available_bytes(root) == 0


def test_a_system_that_tells_nothing_sets_no_limit(tmp_path: Path) -> None:
    assert available_bytes(tmp_path) is None


def test_giving_back_is_harmless() -> None:
    give_back()
