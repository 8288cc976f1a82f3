"""A user's script of scikit-learn under SDK v2 and v3: trained, tuned on 5 folds, refitted, served.

Every number is held against scikit-learn on the splits that scikit-learn makes.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.svm import SVC

from tests.local_mode.sdk import unpacked
from tests.opt_ml import build_opt_ml, run
from tests.rehearsal.conftest import Rehearsal, ran_well
from tests.rehearsal.trials import Trial, log_lines
from tests.rehearsal.user_scripts import Ran, flowers
from tests.serving import serving

pytestmark = pytest.mark.slow

N_FOLDS = 5


@pytest.fixture(scope="module", params=["sdk2_script", "sdk3_script"])
def tuned(request: pytest.FixtureRequest, rehearsal: Rehearsal) -> Ran:
    return ran_well(rehearsal, request.param)


@pytest.fixture(scope="module")
def table() -> NDArray[np.float64]:
    return np.array(flowers(), float)


def test_each_fold_scores_as_scikit_learn_does_and_the_best_mean_wins(
    tuned: Ran, table: NDArray[np.float64]
) -> None:
    means = {}
    for trial in tuned.came_back["trials"]:
        name = trial["TrainingJobName"]
        expected = cross_validate(
            estimator(trial),
            table[:, 1:],
            table[:, 0],
            cv=StratifiedKFold(N_FOLDS, shuffle=True, random_state=0),
            return_train_score=True,
        )
        told = Trial(name, tuned.plane)
        folds = told.results()["folds"]
        for split, key in (("validation", "test_score"), ("train", "train_score")):
            scores = [fold[split]["accuracy"] for fold in folds]
            assert np.allclose(scores, expected[key], rtol=0, atol=1e-9)
        means[name] = float(np.mean(expected["test_score"]))
        assert told.printed("validation:accuracy") == pytest.approx(means[name], abs=1e-12)
        assert trial["FinalObjectiveValue"] == pytest.approx(means[name], rel=1e-6)
        assert trial["TrainingJobStatus"] == "Completed"

    assert means[tuned.came_back["best"]] == max(means.values())
    assert len(means) == 2


def test_its_folds_have_the_rows_of_our_own_algorithms(tuned: Ran, tmp_path: Path) -> None:
    best = tuned.came_back["best"]
    given = {"algorithm": "svm", "cv_folds": N_FOLDS, "cv_final_model": "none"}

    ours = run(build_opt_ml(tmp_path, given, {"train": {"iris.csv": flowers()}}))

    assert ours.code == 0, ours.log
    theirs = Trial(best, tuned.plane).results()["split"]
    assert theirs["fingerprint"] == ours.cv_results["split"]["fingerprint"]


def test_the_best_model_is_the_scripts_of_all_rows_and_is_served(
    tuned: Ran, table: NDArray[np.float64], tmp_path: Path
) -> None:
    (best,) = (
        each
        for each in tuned.came_back["trials"]
        if each["TrainingJobName"] == tuned.came_back["best"]
    )
    expected = estimator(best).fit(table[:, 1:], table[:, 0]).predict(table[:, 1:])
    tree = build_opt_ml(tmp_path, {}, {})
    unpacked(tuned.folder / "model.tar.gz", tree.model)

    with serving(tree) as server:
        reply = server.post("\n".join(",".join(map(str, row)) for row in table[:, 1:]).encode())

    assert reply.status == 200, reply.text
    assert json.loads(reply.text) == expected.tolist()


def test_folds_are_jobs_beside_the_trial_where_that_was_asked_for(tuned: Ran) -> None:
    sagemaker = tuned.plane.client("sagemaker")
    asked_for = "sdk3" in tuned.came_back["job"]
    for trial in tuned.came_back["trials"]:
        name = trial["TrainingJobName"]
        listed = sagemaker.list_training_jobs(NameContains=f"{name}-f")["TrainingJobSummaries"]
        names = {each["TrainingJobName"] for each in listed}
        assert names == ({f"{name}-f{fold}" for fold in range(N_FOLDS)} if asked_for else set())
        assert {each["TrainingJobStatus"] for each in listed} <= {"Completed"}


def test_one_run_of_the_script_is_an_estimators_job(
    rehearsal: Rehearsal, table: NDArray[np.float64]
) -> None:
    ran = ran_well(rehearsal, "sdk2_script")
    plane = ran.plane

    job = plane.client("sagemaker").describe_training_job(TrainingJobName="sdk2-script-once")

    assert job["TrainingJobStatus"] == "Completed"
    assert job["HyperParameters"]["sagemaker_program"] == '"sklearn_svm.py"'
    assert printed_accuracy(ran, "sdk2-script-once") == accuracy_of_all_rows(table)


@pytest.mark.parametrize("name", ["sdk3_script_trainer"])
def test_the_entry_point_of_sdk_3_finds_bash_python_and_pip(
    name: str, rehearsal: Rehearsal, table: NDArray[np.float64], tmp_path: Path
) -> None:
    if not has_pip(rehearsal):
        pytest.skip("the image has no pip, which SDK 3's entry point asks for")
    ran = ran_well(rehearsal, name)

    job = ran.came_back["job"]

    assert ran.came_back["status"] == "Completed"
    assert "Running Basic Script driver" in "\n".join(log_lines(ran.plane, job))
    assert printed_accuracy(ran, job) == accuracy_of_all_rows(table)
    model = joblib.load(unpacked(ran.folder / "model.tar.gz", tmp_path) / "model.joblib")
    assert model.score(table[:, 1:], table[:, 0]) == accuracy_of_all_rows(table)


def test_nothing_runs_when_the_scripts_have_ended(rehearsal: Rehearsal) -> None:
    for name in ("sdk2_script", "sdk3_script", "sdk3_script_trainer"):
        if name in rehearsal:
            assert rehearsal[name].plane.jobs_left() == []


def estimator(trial: dict[str, Any]) -> SVC:
    """Return scikit-learn's own estimator with a trial's values."""
    return SVC(C=float(trial["c"]), gamma=float(trial["gamma"]))


def accuracy_of_all_rows(table: NDArray[np.float64]) -> float:
    model = SVC(C=0.5, gamma=0.1).fit(table[:, 1:], table[:, 0])
    return float(model.score(table[:, 1:], table[:, 0]))


def printed_accuracy(ran: Ran, job: str) -> float:
    return Trial(job, ran.plane).printed("train:accuracy")


def has_pip(rehearsal: Rehearsal) -> bool:
    """Say whether the trainer's container can install; a process has this environment's pip."""
    plane = next(iter(rehearsal.values())).plane if rehearsal else None
    if plane is None or plane.docker is None:
        return True
    image = os.environ["CROSSFOLD_IMAGE"]
    asked = [plane.docker, "run", "--rm", "--network", "none", image, "bash", "-c", "type -p pip"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0
