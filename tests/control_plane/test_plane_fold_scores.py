from __future__ import annotations

import io

import pytest

from cv_driver.progress import Progress
from local_test.control_plane.fold_scores import Folds
from local_test.control_plane.snapshot import snapshot
from local_test.control_plane.training.simulated import Script
from tests.control_plane.plane_training_world import training_request
from tests.control_plane.simulated_plane import SimulatedPlane
from tests.sibling_api import fold_result


def run(*lines: str) -> SimulatedPlane:
    """Return a plane whose job ``demo`` has printed the lines."""
    printed = tuple((1.0, line) for line in lines)
    simulated = SimulatedPlane(Script(lines=printed, exits_s=3.0))
    simulated.call("CreateTrainingJob", **training_request("demo"))
    simulated.run(10)
    return simulated


def test_the_scores_of_folds_are_what_the_driver_prints() -> None:
    simulated = run(
        "fold 2 of 3: rmse 57.57 held out (133 rows, 44 rounds, 0.03 s)",
        "fold 3 of 3 failed: out of memory",
        "fold 1 of 3 is tried again after: a spot interruption",
        "fold 1 of 3: rmse 1e-05 held out (134 rows, 0.02 s)",
    )

    found = simulated.plane.fold_scores.of("demo")

    assert found == Folds("rmse", 3, {2: 57.57, 3: None, 1: 1e-05})
    assert snapshot(simulated.plane)["training_jobs"][0]["folds"] == {
        "metric": "rmse",
        "total": 3,
        "scores": [
            {"fold": 1, "value": 1e-05},
            {"fold": 2, "value": 57.57},
            {"fold": 3, "value": None},
        ],
    }


def test_the_driver_still_prints_what_is_read() -> None:
    """The two sides of the line, held together."""
    progress = Progress(io.StringIO(), 4, "logloss")
    result = fold_result(1, validation={"logloss": 0.69314718}, best_round=7)

    simulated = run(progress._fold_line(result))

    assert simulated.plane.fold_scores.of("demo") == Folds("logloss", 4, {2: 0.693147})


@pytest.mark.parametrize(
    "line",
    [
        "fold 0 of 3: rmse 1 held out (1 rows, 0.1 s)",
        "fold 4 of 3: rmse 1 held out (1 rows, 0.1 s)",
        "fold 1 of 99999: rmse 1 held out (1 rows, 0.1 s)",
        "fold ٣ of 3 is what a user's script printed",
        "a fold 1 of 3 (2 rows)",
    ],
)
def test_what_is_no_fold_of_a_driver_is_left_out(line: str) -> None:
    assert run(line).plane.fold_scores.of("demo") is None


@pytest.mark.parametrize("text", ["nan", "inf", "<b>1</b>"])
def test_a_score_that_is_no_number_is_none(text: str) -> None:
    found = run(f"fold 1 of 2: rmse {text} held out (1 rows, 0.1 s)").plane.fold_scores.of("demo")

    assert found == Folds("rmse", 2, {1: None})


def test_scores_outlive_the_plane() -> None:
    first = run("fold 2 of 3: rmse 57.57 held out (133 rows, 44 rounds, 0.03 s)")

    second = SimulatedPlane(journal=first.journal)

    assert second.plane.fold_scores.of("demo") == Folds("rmse", 3, {2: 57.57})
