"""Ready folds in a column, whose -1 means something else to users of scikit-learn."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from cv_driver.scripts.channel import cut_channel
from tests.in_process import run_here, write_job
from train.job import _read_job

OWN = {"label": "y", "fold_column": "f"}
WARNING = "warning: fold_column has the value -1, whose rows scikit-learn's PredefinedSplit"


def rows(folds: tuple[str, ...]) -> dict[str, str]:
    lines = [f"{i * i},{i % 7},{folds[i % len(folds)]}" for i in range(24)]
    return {"rows.csv": "\n".join(["y,a,f", *lines, ""])}


@pytest.mark.parametrize(
    ("folds", "n_fits", "is_warned"), [(("-1", "0", "1"), 3, True), (("0", "1"), 2, False)]
)
def test_minus_one_is_a_fold_like_the_others_and_told(
    tmp_path: Path, folds: tuple[str, ...], n_fits: int, *, is_warned: bool
) -> None:
    ended = run_here(write_job(tmp_path, OWN | {"algorithm": "ridge"}, {"train": rows(folds)}))

    assert ended.error is None
    assert f"PredefinedSplit(test_fold=fold_column), {n_fits} fits" in ended.log
    assert (WARNING in ended.log) is is_warned


def test_the_same_is_told_of_the_folds_of_a_script(tmp_path: Path) -> None:
    said = io.StringIO()
    own = OWN | {"sagemaker_program": "train.py"}
    opt_ml = write_job(tmp_path, own, {"train": rows(("-1.0", "0", "1"))})

    cut = cut_channel(_read_job(opt_ml, {}, said, force_driver=False))

    assert len(cut.assignment.splits) == 3
    assert WARNING in said.getvalue()
