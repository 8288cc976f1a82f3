"""Tuning jobs whose folds are training jobs: SDK v2 and v3 drive, the folds show as siblings.

Every claim of the driver is held against another source: each trial's mean against its folds'
rows, one whole trial against a run with its folds in the driver, `serve` against XGBoost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.local_mode.sdk import unpacked
from tests.opt_ml import build_opt_ml, run
from tests.rehearsal.conftest import Rehearsal, ran_well
from tests.rehearsal.trials import Trial, log_lines, model_of
from tests.rehearsal.user_scripts import Ran, rows
from tests.serving import serving

pytestmark = pytest.mark.slow

N_FOLDS = 3


@pytest.fixture(scope="module", params=["sdk2_siblings", "sdk3_siblings"])
def tuned(request: pytest.FixtureRequest, rehearsal: Rehearsal) -> Ran:
    return ran_well(rehearsal, request.param)


def test_three_trials_complete_and_the_best_mean_wins(tuned: Ran) -> None:
    trials = _trials(tuned)
    means = {name: Trial(name, tuned.plane).from_rows() for name in trials}

    assert [each["TrainingJobStatus"] for each in trials.values()] == ["Completed"] * 3
    assert tuned.came_back["best"] == min(means, key=lambda name: means[name])
    assert len(set(means.values())) == 3
    for name, each in trials.items():
        trial = Trial(name, tuned.plane)
        assert trial.from_folds() == pytest.approx(means[name], rel=1e-12)
        assert trial.printed("validation:rmse") == pytest.approx(means[name], rel=1e-12)
        assert each["FinalObjectiveValue"] == pytest.approx(means[name], rel=1e-6)


def test_the_best_trial_has_the_numbers_of_folds_in_the_driver(tuned: Ran, tmp_path: Path) -> None:
    best = _trials(tuned)[tuned.came_back["best"]]
    values = {"eta": best["eta"], "num_round": int(best["num_round"])}
    given = {**_described(tuned, best["TrainingJobName"])["HyperParameters"]}
    given = {
        name: text.strip('"')
        for name, text in given.items()
        if name not in {"cv_launcher", "fold_instance_type"} and not name.startswith("_")
    }
    assert {name: float(given[name]) for name in values} == values

    inline = run(
        build_opt_ml(tmp_path, {**given, "cv_launcher": "inline"}, {"train": {"rows.csv": rows()}})
    )

    assert inline.code == 0, inline.log
    own = Trial(best["TrainingJobName"], tuned.plane).results()["folds"]
    for fold, other in zip(own, inline.cv_results["folds"], strict=True):
        assert fold["source"] == "fold"
        for split in ("train", "validation"):
            assert fold[split] == pytest.approx(other[split], rel=0, abs=1e-9)


def test_every_fold_is_a_job_beside_its_trial_and_says_whose(tuned: Ran) -> None:
    sagemaker = tuned.plane.client("sagemaker")
    for trial in _trials(tuned):
        listed = sagemaker.list_training_jobs(NameContains=f"{trial}-f")["TrainingJobSummaries"]
        folds = {each["TrainingJobName"]: each for each in listed}

        assert set(folds) == {f"{trial}-f{index}" for index in range(N_FOLDS)}
        assert {each["TrainingJobStatus"] for each in listed} == {"Completed"}
        for index in range(N_FOLDS):
            arn = folds[f"{trial}-f{index}"]["TrainingJobArn"]
            tags = {
                each["Key"]: each["Value"] for each in sagemaker.list_tags(ResourceArn=arn)["Tags"]
            }
            assert tags["crossfold:driver"] == trial
            assert tags["crossfold:tuning-job"] == tuned.came_back["job"]
            assert tags["crossfold:fold"] == str(index)


def test_folds_are_no_trials(tuned: Ran) -> None:
    pages = (
        tuned.plane.client("sagemaker")
        .get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        .paginate(HyperParameterTuningJobName=tuned.came_back["job"])
    )

    told = [each["TrainingJobName"] for page in pages for each in page["TrainingJobSummaries"]]
    assert sorted(told) == sorted(_trials(tuned))


def test_the_best_model_is_refitted_on_all_rows_and_serves(tuned: Ran, tmp_path: Path) -> None:
    best = _trials(tuned)[tuned.came_back["best"]]
    model = model_of(tuned.folder)
    features = np.array([[float(str(cell)) for cell in row[1:]] for row in rows()[:1]])
    tree = build_opt_ml(tmp_path, {}, {})
    unpacked(tuned.folder / "model.tar.gz", tree.model)

    with serving(tree) as server:
        reply = server.post(",".join(map(str, features[0])).encode())

    assert model.model.num_boosted_rounds() == int(best["num_round"])
    said = Trial(best["TrainingJobName"], tuned.plane).results()
    assert said["final_model"]["kind"] == "refit"
    assert reply.status == 200, reply.text
    assert float(reply.text) == pytest.approx(float(model.scores(features)[0]), rel=1e-6)


def test_the_bill_tells_the_folds_jobs_apart_from_the_driver(tuned: Ran) -> None:
    for trial in _trials(tuned):
        spent = Trial(trial, tuned.plane).results()["instance_seconds"]
        lines = [each for each in log_lines(tuned.plane, trial) if each.startswith("instance-sec")]

        assert spent["fold_jobs"] >= N_FOLDS
        assert len(lines) == 1


def test_nothing_runs_when_the_script_has_ended(tuned: Ran) -> None:
    sagemaker = tuned.plane.client("sagemaker")
    live = [
        each["TrainingJobName"]
        for status in ("InProgress", "Stopping")
        for each in sagemaker.list_training_jobs(
            NameContains=tuned.came_back["job"], StatusEquals=status
        )["TrainingJobSummaries"]
    ]

    assert live == []
    assert tuned.plane.jobs_left() == []


def _trials(tuned: Ran) -> dict[str, dict[str, Any]]:
    return {each["TrainingJobName"]: each for each in tuned.came_back["trials"]}


def _described(tuned: Ran, name: str) -> dict[str, Any]:
    described: dict[str, Any] = tuned.plane.client("sagemaker").describe_training_job(
        TrainingJobName=name
    )
    return described
