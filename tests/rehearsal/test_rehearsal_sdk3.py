"""SDK v3's scripts on the plane: what the SDK says is what the log, S3 and the models say."""

from __future__ import annotations

import pytest

from tests.rehearsal.trials import Trial, log_lines, model_of, rmse
from tests.rehearsal.user_scripts import Ran, rows

pytestmark = pytest.mark.slow


def test_train_shows_the_log(sdk3_train: Ran) -> None:
    lines = log_lines(sdk3_train.plane, sdk3_train.came_back["job"])

    assert "channel 'train': 200 rows, 10 features" in lines
    shown = iter(sdk3_train.log.splitlines())
    for line in filter(None, lines):
        assert line in shown, f"{line!r} is not in its place in\n{sdk3_train.log}"


def test_the_downloaded_model_is_the_one_that_the_log_scored(sdk3_train: Ran) -> None:
    came_back = sdk3_train.came_back
    printed = Trial(came_back["job"], sdk3_train.plane).printed("train:rmse")

    assert came_back["status"] == "Completed"
    assert came_back["metrics"] == pytest.approx({"train:rmse": printed}, rel=1e-6)
    assert rmse(model_of(sdk3_train.folder), rows()) == pytest.approx(printed, rel=1e-6)


def test_the_job_is_told_with_what_was_asked(sdk3_train: Ran) -> None:
    came_back = sdk3_train.came_back

    assert came_back["hyperparameters"] == {"num_round": "5", "seed": "3"}
    assert came_back["model_data"].endswith(
        f"/sdk3-train/output/{came_back['job']}/output/model.tar.gz"
    )
    assert came_back["output_data"].endswith(f"/{came_back['job']}/output/output.tar.gz")


def test_the_tuning_job_tells_its_trials_both_ways(sdk3_tune: Ran) -> None:
    came_back = sdk3_tune.came_back

    assert (came_back["status"], came_back["completed"]) == ("Completed", 4)
    assert sorted(came_back["trials_by_resource"]) == sorted(
        each["TrainingJobName"] for each in came_back["trials"]
    )
    assert came_back["best_hyperparameters"]["cv_folds"] == "3"


def test_nothing_runs_when_the_scripts_have_ended(sdk3_train: Ran, sdk3_tune: Ran) -> None:
    assert sdk3_tune.plane.jobs_left() == []
