"""A job that starts again over what an earlier one left, on channels that it may only read."""

from __future__ import annotations

import os
import signal
import stat
from pathlib import Path

import pytest

from crossfold.contract.paths import OptMl
from tests.datasets import cancer_rows
from tests.in_process import run_here, write_job
from tests.opt_ml import run, start, stop_when


def _job(root: Path, own: dict[str, str] | None = None) -> OptMl:
    rows = "".join(",".join(map(str, row)) + "\n" for row in cancer_rows(90))
    own = {"num_round": "3", "cv_folds": "3"} if own is None else own
    return write_job(root, own, {"train": {"a.csv": rows}})


def test_nothing_is_ever_written_into_a_channel(tmp_path: Path) -> None:
    opt_ml = _job(tmp_path)
    for path in (opt_ml.channel("train") / "a.csv", opt_ml.channel("train"), opt_ml.data):
        path.chmod(stat.S_IREAD | (stat.S_IEXEC if path.is_dir() else 0))
    before = _stamps(tmp_path / "input")

    ended = run(opt_ml)

    after = _stamps(tmp_path / "input")
    for path in (opt_ml.data, opt_ml.channel("train")):
        path.chmod(stat.S_IRWXU)
    assert ended.code == 0, ended.log
    assert after == before


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    paths = [Path(base) / name for base, *kinds in os.walk(folder) for k in kinds for name in k]
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in [folder, *paths]}


def test_a_restart_over_half_written_output_gives_the_same_result(tmp_path: Path) -> None:
    opt_ml = _job(tmp_path)
    for folder in (opt_ml.model, opt_ml.output_data, opt_ml.checkpoints):
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text('{"format":')
        (folder / "model.ubj").write_bytes(b"half")
    opt_ml.failure.write_text("PlatformError: an earlier attempt\n")

    first = run(opt_ml)
    model = (opt_ml.model / "model.ubj").read_bytes()
    again = run(opt_ml)

    assert [first.code, again.code] == [0, 0], first.log + again.log
    assert first.manifest["complete"] is True
    assert (opt_ml.model / "model.ubj").read_bytes() == model
    assert "3 of 3 folds taken over from an earlier run" in again.log
    for ended in (first, again):
        assert ended.metric("validation:logloss") == first.metric("validation:logloss")


def test_success_leaves_no_failure_file_of_an_earlier_attempt(tmp_path: Path) -> None:
    opt_ml = _job(tmp_path)
    opt_ml.output.mkdir(parents=True, exist_ok=True)
    opt_ml.failure.write_text("PlatformError: an earlier attempt\n")

    ended = run(opt_ml)

    assert ended.code == 0, ended.log
    assert ended.failure == ""


@pytest.mark.parametrize("folds", [{"cv_folds": "3"}, {}])
def test_a_restart_that_fails_on_its_data_leaves_no_model_of_the_earlier_attempt(
    tmp_path: Path, folds: dict[str, str]
) -> None:
    opt_ml = _job(tmp_path, own={"num_round": "3"} | folds)
    assert run_here(opt_ml).error is None
    (opt_ml.channel("train") / "a.csv").write_text("0,1\n1,x\n0,2\n", encoding="utf-8")

    job = run_here(opt_ml)

    assert job.failure.startswith("UserError: channel 'train', file a.csv, row 2, column '1'")
    assert not (opt_ml.model / "manifest.json").exists()


@pytest.mark.parametrize("folds", [{"cv_folds": "3"}, {}])
def test_a_restart_that_fails_on_its_request_leaves_no_model_of_the_earlier_attempt(
    tmp_path: Path, folds: dict[str, str]
) -> None:
    opt_ml = _job(tmp_path, own={"num_round": "3"} | folds)
    assert run_here(opt_ml).error is None
    opt_ml.hyperparameters.write_text('{"eta": "fast"}', encoding="utf-8")

    job = run_here(opt_ml)

    assert job.failure.startswith("UserError: hyperparameter 'eta'")
    assert not (opt_ml.model / "manifest.json").exists()


def test_a_stop_during_the_folds_does_not_pass_an_earlier_model_off_as_its_own(
    tmp_path: Path,
) -> None:
    opt_ml = _job(tmp_path)
    assert run_here(opt_ml).error is None
    opt_ml.hyperparameters.write_text('{"num_round": "100000", "cv_folds": "3"}', encoding="utf-8")

    ended, _ = stop_when(
        opt_ml, start(opt_ml), lambda line: line.startswith("split: "), signal.SIGTERM
    )

    assert ended.code == 1
    assert ended.failure.startswith("PlatformError: stopped before a model existed")
    assert not (opt_ml.model / "manifest.json").exists()


def test_other_files_in_the_model_folder_survive(tmp_path: Path) -> None:
    opt_ml = _job(tmp_path)
    opt_ml.model.mkdir(parents=True)
    (opt_ml.model / "notes.txt").write_text("mine")

    assert run_here(opt_ml).error is None
    assert (opt_ml.model / "notes.txt").read_text() == "mine"


def test_the_models_files_lie_at_the_root_and_are_no_links(tmp_path: Path) -> None:
    opt_ml = _job(tmp_path)

    assert run_here(opt_ml).error is None
    entries = list(opt_ml.model.iterdir())
    assert {entry.name for entry in entries} == {"manifest.json", "model.ubj"}
    assert all(entry.is_file() and not entry.is_symlink() for entry in entries)


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 but no more"])
def test_a_damaged_checkpoint_counts_as_none(tmp_path: Path, damage: bytes) -> None:
    opt_ml = _job(tmp_path)
    first = run_here(opt_ml)
    assert first.error is None
    broken = sorted(opt_ml.checkpoints.rglob("fold-*.npz"))[1]
    broken.write_bytes(damage)

    again = run_here(opt_ml)

    assert again.error is None
    assert "2 of 3 folds taken over from an earlier run" in again.log


def test_a_restart_that_fails_leaves_no_results_of_the_earlier_attempt(tmp_path: Path) -> None:
    opt_ml = _job(tmp_path)
    assert run_here(opt_ml).error is None
    opt_ml.hyperparameters.write_text('{"label": "nobody", "cv_folds": "3"}', encoding="utf-8")

    assert run_here(opt_ml).error is not None

    assert not list(opt_ml.output_data.iterdir())


def test_a_model_file_of_another_library_is_not_packed_with_this_ones(tmp_path: Path) -> None:
    opt_ml = _job(tmp_path, own={"num_round": "3", "algorithm": "xgboost"})
    assert run_here(opt_ml).error is None
    opt_ml.hyperparameters.write_text('{"num_round": "3", "algorithm": "lightgbm"}')

    assert run_here(opt_ml).error is None

    names = sorted(path.name for path in opt_ml.model.iterdir())
    assert names == ["manifest.json", "model.txt"]
