from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossfold.algorithms.threads import usable_threads, useful_threads


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")


def test_without_any_quota_affinity_decides(tmp_path: Path) -> None:
    assert usable_threads(tmp_path, affinity=6) == 6
    assert usable_threads(tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("1600000 100000", 8),
        ("garbage", 8),
        ("5 0", 8),
        ("", 8),
    ],
)
def test_quota_of_version_2_is_rounded_up(text: str, expected: int, tmp_path: Path) -> None:
    _write(tmp_path / "sys/fs/cgroup/cpu.max", text + "\n")

    assert usable_threads(tmp_path, affinity=8) == expected


def test_smallest_quota_of_all_groups_above_counts(tmp_path: Path) -> None:
    _write(tmp_path / "proc/self/cgroup", "0::/slice/job\n")
    _write(tmp_path / "sys/fs/cgroup/slice/cpu.max", "300000 100000\n")
    _write(tmp_path / "sys/fs/cgroup/slice/job/cpu.max", "max 100000\n")

    assert usable_threads(tmp_path, affinity=8) == 3


@pytest.mark.parametrize(("quota", "expected"), [("250000", 3), ("-1", 8), ("0", 8)])
@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
def test_quota_of_version_1(folder: str, quota: str, expected: int, tmp_path: Path) -> None:
    top = tmp_path / "sys/fs/cgroup" / folder
    _write(tmp_path / "proc/self/cgroup", "5:memory:/elsewhere\n4:cpu,cpuacct:/docker/abc\n")
    _write(top / "docker/abc/cpu.cfs_quota_us", quota + "\n")
    _write(top / "docker/abc/cpu.cfs_period_us", "100000\n")

    assert usable_threads(tmp_path, affinity=8) == expected


def test_path_of_a_group_cannot_leave_the_hierarchy(tmp_path: Path) -> None:
    _write(tmp_path / "proc/self/cgroup", "0::/../../../\n")
    _write(tmp_path / "sys/fs/cgroup/cpu.max", "400000 100000\n")

    assert usable_threads(tmp_path, affinity=8) == 4


@pytest.mark.parametrize(
    ("n_cells", "expected"), [(0, 1), (600, 1), (49_999, 1), (50_000, 2), (100_000_000, 8)]
)
def test_small_data_gets_few_threads(n_cells: int, expected: int) -> None:
    assert useful_threads(8, n_cells) == expected
