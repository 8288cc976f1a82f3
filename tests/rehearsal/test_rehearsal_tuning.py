"""Tuning jobs of SDK v2 and v3: objectives, values and the best model, each from another source."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from tests.rehearsal.conftest import Rehearsal, ran_well
from tests.rehearsal.trials import Trial, model_of, rmse
from tests.rehearsal.user_scripts import Ran, rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["sdk2_tune", "sdk3_tune"])
def tuned(request: pytest.FixtureRequest, rehearsal: Rehearsal) -> Ran:
    return ran_well(rehearsal, request.param)


def test_four_trials_complete_under_names_of_the_tuning_job(tuned: Ran) -> None:
    names = sorted(each["TrainingJobName"] for each in _trials(tuned))

    assert all(each["TrainingJobStatus"] == "Completed" for each in _trials(tuned))
    pattern = rf"{re.escape(tuned.came_back['job'])}-(\d{{3}})-[0-9a-f]{{8}}"
    numbers = [match[1] for name in names if (match := re.fullmatch(pattern, name))]
    assert numbers == ["001", "002", "003", "004"], names


def test_values_lie_within_the_ranges_and_differ(tuned: Ran) -> None:
    drawn = [(each["eta"], each["num_round"], each["grow_policy"]) for each in _trials(tuned)]

    for eta, num_round, grow_policy in drawn:
        assert 0.05 <= eta <= 0.5
        assert num_round in range(3, 13)
        assert grow_policy in {"depthwise", "lossguide"}
    assert len(set(drawn)) == 4


def test_a_trial_s_objective_is_what_its_log_and_its_results_say(tuned: Ran) -> None:
    for each in _trials(tuned):
        trial = Trial(each["TrainingJobName"], tuned.plane)
        printed = trial.printed("validation:rmse")

        assert each["FinalObjectiveValue"] == pytest.approx(printed, rel=1e-6)
        assert trial.from_folds() == pytest.approx(printed, rel=1e-12)
        assert trial.from_rows() == pytest.approx(printed, rel=1e-12)


def test_the_best_trial_has_the_least_objective(tuned: Ran) -> None:
    best = min(_trials(tuned), key=lambda each: float(each["FinalObjectiveValue"]))

    assert len({each["FinalObjectiveValue"] for each in _trials(tuned)}) > 1
    assert tuned.came_back["best"] == best["TrainingJobName"]


def test_the_best_model_has_the_trial_s_trees_and_predicts(tuned: Ran) -> None:
    best = next(
        each for each in _trials(tuned) if each["TrainingJobName"] == tuned.came_back["best"]
    )
    model = model_of(tuned.folder)

    assert model.model.num_boosted_rounds() == best["num_round"]
    labels = [float(str(row[0])) for row in rows()]
    assert rmse(model, rows()) < 0.95 * float(np.std(labels))


def test_two_trials_run_at_once_and_no_more(tuned: Ran) -> None:
    times = [(datetime.fromisoformat(each["TrainingStartTime"]), +1) for each in _trials(tuned)] + [
        (datetime.fromisoformat(each["TrainingEndTime"]), -1) for each in _trials(tuned)
    ]
    running = np.cumsum([step for _, step in sorted(times)])

    assert max(running) == 2


def test_nothing_runs_when_the_script_has_ended(tuned: Ran) -> None:
    assert tuned.plane.jobs_left() == []


def _trials(tuned: Ran) -> list[dict[str, Any]]:
    trials: list[dict[str, Any]] = tuned.came_back["trials"]
    return trials
