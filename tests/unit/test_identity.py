"""What tells one fold from another: data and request, and the code that fitted it."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import crossfold
from crossfold.contract.channels import read_channels_config
from crossfold.fitting import identity
from crossfold.fitting.fold_progress import FoldProgress
from crossfold.fitting.fold_result import FoldResult
from crossfold.fitting.identity import code_version, identity_key, identity_of
from crossfold.fitting.job import Job
from crossfold.fitting.job_data import read_job_data
from crossfold.fitting.preparation import make_problem
from crossfold.fitting.splitting import split_rows
from crossfold.request.reading import read_request
from cv_driver.checkpoints import FoldCheckpoints
from tests.in_process import write_job
from tests.unit.sibling_parents import driver_request, parent_of

_ROWS = "".join(f"{at * at % 7 + at / 10},{at},{at % 3}\n" for at in range(30))
_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:1"


def _key(root: Path) -> str:
    given = {"cv_folds": "3", "algorithm": "ridge"}
    opt_ml = write_job(root, given, {"train": {"rows.csv": _ROWS}})
    channels = read_channels_config(opt_ml)
    job = Job(opt_ml, read_request(given, {}), given, channels, {}, io.StringIO())
    data = read_job_data(job, folded=True)
    folded = split_rows(job, make_problem(job, data), data)
    return identity_key(identity_of(job, folded, data.train.fingerprint()))


def _finished(index: int) -> FoldResult:
    rows = np.arange(3, dtype=np.int64)
    return FoldResult(index, index, 0, rows, None, 6, 3, None, {}, {"rmse": 1.0}, 0.0, 0.0)


def test_another_state_of_our_code_is_another_identity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = _key(tmp_path / "one")
    assert _key(tmp_path / "same") == one

    monkeypatch.setattr(identity, "code_version", lambda: "another")

    assert _key(tmp_path / "other") != one


def test_the_code_version_is_of_every_python_file_and_of_nothing_else(tmp_path: Path) -> None:
    def version() -> str:
        code_version.cache_clear()
        return code_version(tmp_path)

    (tmp_path / "room").mkdir()
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "room" / "b.py").write_text("y = 2\n")
    first = version()

    (tmp_path / "notes.txt").write_text("no code")
    assert version() == first
    (tmp_path / "room" / "b.py").write_text("y = 3\n")
    second = version()
    (tmp_path / "room" / "b.py").rename(tmp_path / "b.py")

    assert len({first, second, version()}) == 3
    code_version.cache_clear()
    assert Path(crossfold.__file__).parent == identity._OWN_CODE


def test_a_fold_that_another_image_finished_is_fitted_again(tmp_path: Path) -> None:
    same = {"data": "d"}
    FoldCheckpoints(tmp_path, same, image=_IMAGE).save(_finished(1))

    again = FoldCheckpoints(tmp_path, same, image=_IMAGE)
    other = FoldCheckpoints(tmp_path, same, image=f"{_IMAGE}0")

    assert [each.index for each in again.load(3, with_models=False)] == [1]
    assert other.load(3, with_models=False) == []
    assert other.key != again.key
    assert other.fold_key == again.fold_key == FoldCheckpoints(tmp_path, same).key


def test_scores_that_the_service_told_are_kept_for_no_other_start(tmp_path: Path) -> None:
    """They are rounded and have no predictions: a start that pools rows cannot use them."""
    checkpoints = FoldCheckpoints(tmp_path, {"data": "d"})

    checkpoints.save(replace(_finished(0), source="final_metrics"))
    checkpoints.save(_finished(1))

    assert [each.index for each in checkpoints.load(3, with_models=False)] == [1]


@pytest.mark.parametrize("lost", ["model.ubj", "categories.json"])
def test_a_finished_fold_whose_model_came_back_in_part_is_fitted_again(
    lost: str, tmp_path: Path
) -> None:
    """The service copies checkpoints to S3 file by file, and an interruption may come between."""
    checkpoints = FoldCheckpoints(tmp_path, {"data": "d"})
    log: list[str] = []
    progress = FoldProgress(tmp_path, checkpoints.key, 0, log.append)
    for folder in (checkpoints.models / "fold-0", progress.model):
        folder.mkdir(parents=True)
        (folder / "model.ubj").write_bytes(b"trees")
        (folder / "categories.json").write_text("{}")
    checkpoints.save(_finished(0))
    progress.finish(_finished(0))
    assert len(checkpoints.load(1, with_models=True)) == 1
    assert progress.finished(with_model=True) is not None

    for folder in (checkpoints.models / "fold-0", progress.model):
        (folder / lost).unlink()

    assert checkpoints.load(1, with_models=True) == []
    assert progress.finished(with_model=True) is None
    assert len(checkpoints.load(1, with_models=False)) == 1
    assert progress.finished(with_model=False) is not None


def test_the_parents_image_is_its_uri_or_its_algorithm() -> None:
    parent = parent_of(driver_request())
    assert parent.image == _IMAGE

    given = {"AlgorithmName": "mine", "TrainingInputMode": "File"}
    by_name = {**parent.described, "AlgorithmSpecification": given}
    assert replace(parent, described=by_name).image == "mine"
