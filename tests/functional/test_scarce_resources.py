"""A full disk and too little memory are told as the platform's, and leave no model."""

from __future__ import annotations

import io
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from crossfold.contract.paths import OptMl
from tests.in_process import failure_of, refused, write_job
from tests.opt_ml import Ended, run

OWN = {"label": "y", "num_round": "2", "cv_folds": "3"}


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Mount a disk of 16 KiB on a folder."""
    mounted: list[Path] = []

    def mount(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        tool = shutil.which("mount") or pytest.skip("NOT TESTED: a full disk; no mount command")
        command = [tool, "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"NOT TESTED: a full disk; no tmpfs can be mounted here: {done.stderr}")
        mounted.append(folder)

    yield mount
    for folder in mounted:
        subprocess.run([shutil.which("umount") or "umount", str(folder)], check=True)


def _many_rows(n_rows: int, n_columns: int = 3) -> str:
    values = np.random.default_rng(0).normal(size=(n_rows, n_columns)).round(4)
    text = io.StringIO()
    np.savetxt(text, values, fmt="%s", delimiter=",")
    return text.getvalue()


@pytest.mark.parametrize("where", ["model", "output_data", "checkpoints"])
def test_a_full_disk_is_the_platforms_fault_and_leaves_no_model(
    tmp_path: Path, tiny_disk: Callable[[Path], None], where: str
) -> None:
    own = {"num_round": "60", "cv_folds": "2", "task": "regression"}
    opt_ml = write_job(tmp_path, own, {"train": {"a.csv": _many_rows(2000)}})
    tiny_disk(getattr(opt_ml, where))

    ended = run(opt_ml)

    line = refused(ended)
    assert ended.code == 1
    assert line.startswith("PlatformError: ")
    assert "No space left on device" in line
    assert "VolumeSizeInGB" in line


def test_a_disk_too_full_for_the_failure_file_still_ends_with_1(
    tmp_path: Path, tiny_disk: Callable[[Path], None]
) -> None:
    opt_ml = write_job(tmp_path, OWN, {"train": {"a.csv": "y,a\n"}})
    tiny_disk(opt_ml.output)
    (opt_ml.output / "filler").write_bytes(bytes(16384))

    ended = run(opt_ml)

    assert ended.code == 1
    assert "UserError: channel 'train', file a.csv, row 1 " in ended.log


def _run_within(opt_ml: OptMl, n_bytes: int) -> Ended:
    """Run ``train`` with a limit on its address space."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))

    environ = os.environ | {"SAGEMAKER_BASE_DIR": str(opt_ml.root), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-Iu", "-m", "train"],
        env=environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=limit,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return Ended(opt_ml, done.returncode, done.stdout)


@pytest.mark.parametrize("folds", [{}, {"cv_folds": "2"}])
def test_too_little_memory_for_a_fit_is_the_platforms_fault(
    tmp_path: Path, folds: dict[str, str]
) -> None:
    own = {"algorithm": "sklearn.kernel_ridge.KernelRidge"} | folds
    opt_ml = write_job(tmp_path, own, {"train": {"a.csv": _many_rows(30000, 2)}})

    ended = _run_within(opt_ml, 1 << 30)

    line = refused(ended)
    assert ended.code == 1
    assert line.startswith("PlatformError: ")
    assert "memory" in line


@pytest.fixture(scope="module")
def too_wide(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Read 2,000 rows of 200,001 columns, 1.5 GiB, within 1 GiB."""
    rows = "".join(f"{i % 2} {i}:1 200000:1\n" for i in range(2000))
    root = tmp_path_factory.mktemp("wide")
    return _run_within(write_job(root, {"num_round": "2"}, {"train": {"a.libsvm": rows}}), 1 << 30)


def test_too_little_memory_to_read_is_the_platforms_fault(too_wide: Ended) -> None:
    line = refused(too_wide)

    assert too_wide.code == 1
    assert line.startswith("PlatformError: ")
    assert "memory" in line


def test_the_memory_told_is_what_the_data_needs(too_wide: Ended) -> None:
    assert "1.49 GiB" in refused(too_wide)


def test_few_rows_of_many_columns_need_no_more_memory_than_they_fill(tmp_path: Path) -> None:
    rows = "".join(
        f"{i}.5," + ",".join(str(i * j % 7) for j in range(4000)) + "\n" for i in range(20)
    )
    own = {"algorithm": "ridge", "header": "false"}

    ended = _run_within(write_job(tmp_path, own, {"train": {"a.csv": rows}}), 1 << 30)

    assert ended.code == 0, ended.failure


def test_a_matrix_beyond_the_machines_memory_is_refused_before_it_is_made(tmp_path: Path) -> None:
    line = failure_of(
        tmp_path, {"num_round": "2"}, {"train": {"a.libsvm": "1 99999999999999:1\n0 1:1\n"}}
    )

    assert line.startswith("UserError: channel 'train', file a.libsvm has indices up to 9999")


def test_a_log_that_takes_nothing_keeps_no_reason_back(tmp_path: Path) -> None:
    opt_ml = write_job(tmp_path, {"eta": "fast"}, {"train": {"a.csv": "1,2\n"}})
    environment = {"SAGEMAKER_BASE_DIR": str(opt_ml.root), "PATH": "/usr/bin:/bin"}

    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-Iu", "-m", "train"],
            env=environment,
            stdout=full,
            stderr=subprocess.DEVNULL,
            check=False,
            timeout=60,
        )

    assert done.returncode == 1
    assert opt_ml.failure.read_text().startswith("UserError: hyperparameter 'eta'")


def test_a_file_name_that_is_no_text_keeps_no_reason_back(tmp_path: Path) -> None:
    opt_ml = write_job(tmp_path, {"num_round": "2"}, {"train": {}})
    opt_ml.channel("train").mkdir(parents=True, exist_ok=True)
    name = os.fsencode(opt_ml.channel("train")) + b"/b\xff.csv"
    Path(os.fsdecode(name)).write_text("1,2\n0,x\n1,3\n")

    ended = run(opt_ml)

    assert ended.code == 1
    assert ended.failure.startswith("UserError: channel 'train', file b")
