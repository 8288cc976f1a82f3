"""SDK v2's scripts on the plane: what the SDK says is what the log, S3 and the models say."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from tests.opt_ml import Ended, build_opt_ml, run
from tests.rehearsal.trials import log_lines, model_of, rmse
from tests.rehearsal.user_scripts import Ran, rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Run the same training by the command alone."""
    own = {"num_round": 5, "seed": 3}
    tree = build_opt_ml(tmp_path_factory.mktemp("outside"), own, {"train": {"rows.csv": rows()}})
    return run(tree)


def test_the_log_is_what_the_command_prints_outside(sdk2_train: Ran, outside: Ended) -> None:
    printed = log_lines(sdk2_train.plane, sdk2_train.came_back["job"])

    assert printed == outside.log.replace("\t", "#011").splitlines()


def test_fit_shows_every_line_of_the_log_in_order(sdk2_train: Ran) -> None:
    # The SDK prints dots while it waits for the log.
    shown = (line.lstrip(".") for line in sdk2_train.log.splitlines())

    for line in log_lines(sdk2_train.plane, sdk2_train.came_back["job"]):
        assert line in shown, f"{line!r} is not in its place in\n{sdk2_train.log}"


def test_fit_tells_the_job_s_states(sdk2_train: Ran) -> None:
    fit, _, _ = sdk2_train.log.partition("Training seconds: ")
    told = re.findall(r"^\S+ \S+ (\w+) - \w", fit, re.MULTILINE)

    assert [state for state, _ in groupby(told)] == [
        *("Starting", "Downloading", "Training", "Uploading", "Completed")
    ], sdk2_train.log


def test_the_downloaded_model_is_the_one_that_the_log_scored(
    sdk2_train: Ran, outside: Ended
) -> None:
    model = model_of(sdk2_train.folder)

    assert model.manifest["complete"] is True
    assert rmse(model, rows()) == pytest.approx(outside.metric("train:rmse"), rel=1e-6)


def test_the_last_value_of_each_metric_is_described(sdk2_train: Ran, outside: Ended) -> None:
    told = sdk2_train.came_back["description"]["FinalMetricDataList"]

    last_round = float(re.findall(r"train-rmse:(\S+)", outside.log)[-1])
    assert {each["MetricName"]: each["Value"] for each in told} == pytest.approx(
        {"train:rmse": outside.metric("train:rmse"), "round:rmse": last_round}, rel=1e-6
    )


def test_the_analytics_average_what_was_printed_in_a_minute(
    sdk2_train: Ran, outside: Ended
) -> None:
    by_name: dict[str, list[float]] = {"train:rmse": [], "round:rmse": []}
    for each in sdk2_train.came_back["metrics"]:
        by_name[each["metric_name"]].append(each["value"])
    rounds = [float(text) for text in re.findall(r"train-rmse:(\S+)", outside.log)]

    assert by_name["train:rmse"] == pytest.approx([outside.metric("train:rmse")], rel=1e-6)
    if len(by_name["round:rmse"]) == 1:
        assert by_name["round:rmse"] == pytest.approx([np.mean(rounds)], rel=1e-6)
    else:  # the job ran over the end of a minute
        assert all(min(rounds) <= each <= max(rounds) for each in by_name["round:rmse"])
        assert len(by_name["round:rmse"]) == 2


def test_an_estimator_attaches_to_the_job(sdk2_train: Ran) -> None:
    came_back = sdk2_train.came_back

    assert came_back["attached"] == {
        "job": came_back["job"],
        "image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/crossfold:latest",
        "model_data": came_back["model_data"],
        "hyperparameters": {"num_round": "5", "seed": "3"},
        "tags": [{"Key": "team", "Value": "Zoë"}],
    }
    assert came_back["model_data"].endswith(
        f"/sdk2-train/output/{came_back['job']}/output/model.tar.gz"
    )


def test_a_users_mistake_reaches_the_user_with_its_reason(sdk2_failure: Ran) -> None:
    came_back = sdk2_failure.came_back

    assert came_back["status"] == "Failed"
    assert "UserError: hyperparameter 'eta' is 'fast'" in came_back["error"]
    assert "exit code: 1" in came_back["error"]


def test_a_tuner_attaches_to_the_tuning_job(sdk2_tune: Ran) -> None:
    came_back = sdk2_tune.came_back
    attached = came_back["attached"]
    ranges = {each["Name"]: each for kind in attached.pop("ranges").values() for each in kind}

    assert attached == {
        "best": came_back["best"],
        "max_jobs": 4,
        "objective": "validation:rmse",
        "objective_type": "Minimize",
        "strategy": "Bayesian",
        "metrics": [
            {
                "Name": "validation:rmse",
                "Regex": r"validation:rmse=([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?);",
            }
        ],
        "hyperparameters": {"cv_folds": "3", "seed": "3"},
        "random_seed": 7,
    }
    assert [float(ranges["eta"][end]) for end in ("MinValue", "MaxValue")] == [0.05, 0.5]
    assert [int(ranges["num_round"][end]) for end in ("MinValue", "MaxValue")] == [3, 12]
    assert ranges["grow_policy"]["Values"] == ["depthwise", "lossguide"]


def test_the_best_estimator_has_the_trial_s_hyperparameters(sdk2_tune: Ran) -> None:
    came_back = sdk2_tune.came_back
    trial = next(
        each for each in came_back["trials"] if each["TrainingJobName"] == came_back["best"]
    )
    got = came_back["best_hyperparameters"]

    assert got.pop("_tuning_objective_metric").strip('"') == "validation:rmse"
    assert {name: got.pop(name) for name in ("cv_folds", "seed")} == {"cv_folds": "3", "seed": "3"}
    assert set(got) == {"eta", "num_round", "grow_policy"}
    assert (float(got["eta"]), float(got["num_round"])) == (trial["eta"], trial["num_round"])
    assert got["grow_policy"] == trial["grow_policy"]


def test_a_tuning_job_with_early_stopping_ends_with_every_trial_accounted_for(
    sdk2_early_stopping: Ran,
) -> None:
    came_back = sdk2_early_stopping.came_back

    config = came_back["description"]["HyperParameterTuningJobConfig"]
    assert config["TrainingJobEarlyStoppingType"] == "Auto"
    assert came_back["attached"] == {"early_stopping_type": "Auto", "strategy": "Random"}
    assert came_back["description"]["HyperParameterTuningJobStatus"] == "Completed"
    assert {each["TrainingJobStatus"] for each in came_back["trials"]} <= {"Completed", "Stopped"}
    assert len({each["eta"] for each in came_back["trials"]}) == 2


def test_a_trial_that_emits_often_counts_by_its_last_value(sdk2_early_stopping: Ran) -> None:
    for trial in sdk2_early_stopping.came_back["trials"]:
        lines = log_lines(sdk2_early_stopping.plane, trial["TrainingJobName"])
        emitted = [
            float(line.removeprefix("validation:rmse=").removesuffix(";"))
            for line in lines
            if line.startswith("validation:rmse=")
        ]

        assert len(set(emitted)) > 1, lines
        assert trial["FinalObjectiveValue"] == pytest.approx(emitted[-1], rel=1e-6)


def test_a_stopped_tuning_job_stops_its_trials_and_starts_no_others(sdk2_stop: Ran) -> None:
    came_back = sdk2_stop.came_back
    told = came_back["description"]

    assert told["HyperParameterTuningJobStatus"] == "Stopped"
    assert [each["TrainingJobStatus"] for each in came_back["trials"]] == ["Stopped"] * 2
    counted = told["TrainingJobStatusCounters"]
    assert (counted["Stopped"], counted["InProgress"], counted["Completed"]) == (2, 0, 0)
    assert "BestTrainingJob" not in told


def test_stopped_trials_end_before_the_plane_kills_them(sdk2_stop: Ran) -> None:
    """Whose supervisor is killed has no last word; whom it kills itself has this one too."""
    for trial in sdk2_stop.came_back["trials"]:
        *_, last = log_lines(sdk2_stop.plane, trial["TrainingJobName"])

        assert last == "PlatformError: stopped before a model existed"


def test_nothing_runs_when_the_scripts_have_ended(
    sdk2_train: Ran, sdk2_tune: Ran, sdk2_early_stopping: Ran, sdk2_failure: Ran, sdk2_stop: Ran
) -> None:
    assert sdk2_stop.plane.jobs_left() == []


def test_the_scripts_wrote_nothing_but_what_they_were_told_to(sdk2_train: Ran) -> None:
    """An SDK that finds no defaults leaves files, as does a plane that writes to the client's."""
    left = {path.name for path in Path(sdk2_train.folder).iterdir()}

    assert left - {"model"} == {"came_back.json", "model.tar.gz"}
