"""A fold in a process of its own is the fold that the driver would have fitted itself."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import KFold

from tests.datasets import cancer_rows, iris_rows
from tests.opt_ml import Ended, build_opt_ml, run

Channels = dict[str, dict[str, list[list[object]]]]


def _ready_folders(n_folds: int) -> Channels:
    rows = iris_rows()
    folders: Channels = {"train": {}}
    for fold, (_, test) in enumerate(KFold(n_folds, shuffle=True, random_state=1).split(rows)):
        folders["train"][f"{fold}/a.csv"] = [rows[row] for row in test]
    return folders


CASES: dict[str, tuple[dict[str, str], Channels, tuple[str, ...], dict[str, str]]] = {
    "an algorithm's own k": (
        {"algorithm": "knn", "k": "37"},
        {"train": {"a.csv": cancer_rows(200)}},
        (),
        {"CV_FOLDS": "3"},
    ),
    "no number of folds": (
        {"num_round": "3"},
        {"train": {"a.csv": cancer_rows(200)}},
        ("--driver",),
        {},
    ),
    "ready folders without a number": ({"num_round": "3"}, _ready_folders(4), ("--driver",), {}),
    "fewer folds than ready folders": (
        {"k": "3", "train_src": "s3://b/t", "kernel": "linear"},
        _ready_folders(5),
        (),
        {},
    ),
    "a tuner's objective that means nothing for the task": (
        {"cv_folds": "3", "num_round": "3", "_tuning_objective_metric": "validation:rmse"},
        {"train": {"a.csv": cancer_rows(200)}},
        (),
        {},
    ),
    "a hundred hyperparameters": (
        {"cv_folds": "3", "num_round": "3"} | {f"_ignored_{i}": "1" for i in range(97)},
        {"train": {"a.csv": cancer_rows(200)}},
        (),
        {},
    ),
}


def _run(root: Path, name: str, launcher: str) -> Ended:
    hyperparameters, channels, arguments, environ = CASES[name]
    own = hyperparameters | {"cv_launcher": launcher}
    if name == "a hundred hyperparameters":
        del own["_ignored_96"]
    return run(build_opt_ml(root, own, channels), *arguments, **environ)


@pytest.mark.parametrize("name", CASES)
def test_both_launchers_give_the_same_folds(tmp_path: Path, name: str) -> None:
    inline = _run(tmp_path / "inline", name, "inline")
    process = _run(tmp_path / "process", name, "process")

    assert inline.code == 0, inline.log
    assert process.code == 0, process.log
    assert process.oof() == inline.oof()


def test_no_folder_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr(tempfile, "tempdir", None)

    ended = _run(tmp_path / "job", "no number of folds", "process")

    assert ended.code == 0, ended.log
    assert not list(scratch.glob("crossfold-*"))


def test_fold_rows_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    rows = np.array(iris_rows()).tolist()
    own = {"cv_folds": "3", "num_round": "3", "cv_launcher": "process", "cv_final_model": "none"}

    one = run(
        build_opt_ml(tmp_path / "1", own | {"cv_max_parallel": "1"}, {"train": {"a.csv": rows}})
    )
    two = run(
        build_opt_ml(tmp_path / "2", own | {"cv_max_parallel": "2"}, {"train": {"a.csv": rows}})
    )

    assert one.code == two.code == 0, one.log + two.log
    assert one.oof() == two.oof()
