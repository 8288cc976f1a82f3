"""A script's folds as training jobs: what their requests say, and what counts as a result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossfold.contract.paths import OptMl
from crossfold.errors import PlatformError
from crossfold.fitting.fold_result import FOLD_RESULT
from crossfold.fitting.identity import code_version
from crossfold.request.reading import read_request
from cv_driver.fold_hyperparameters import fold_hyperparameters
from cv_driver.scripts.fold_run import _opened, log_of_fold
from cv_driver.scripts.identity import script_versions
from cv_driver.scripts.objective import objective_text
from cv_driver.scripts.printed_scores import Objective
from cv_driver.siblings.fold_job.names import FoldTry
from cv_driver.siblings.fold_job.plan import FoldPlan
from cv_driver.siblings.fold_job.request import make_fold_request
from cv_driver.siblings.fold_job.results import Expected, read_metrics, read_result
from tests.conftest import ROOT
from tests.sibling_api import METRIC, expected, fold_result, packed_result
from tests.unit.sibling_parents import FINGERPRINT, driver_request, parent_of

GIVEN = {
    "sagemaker_program": '"train.py"',
    "sagemaker_submit_directory": '"s3://bucket/code.tar.gz"',
    "sagemaker_region": '"us-east-1"',
    "_tuning_objective_metric": '"f1"',
    "_mine": "1",
    "k": "3",
    "region": "north",
    "algorithm": "mine",
    "label": "0",
    "cv_folds": "3",
    "cv_repeats": "2",
    "cv_launcher": "sagemaker",
    "cv_driver_fits": "always",
    "cv_emit": "running",
    "fold_instance_type": "ml.m5.large",
    "fold_column": "7",
}
OF_DRIVER = {"cv_launcher", "cv_driver_fits", "cv_emit", "fold_instance_type"}
DEFINITIONS = [{"Name": "f1", "Regex": "F1: ([0-9.]+)"}]


def test_a_fold_gets_everything_but_what_makes_a_driver() -> None:
    told = fold_hyperparameters(GIVEN, read_request(GIVEN, {}), 4)

    kept = {name: text for name, text in GIVEN.items() if name not in OF_DRIVER}
    assert told == kept | {"cv_fold_index": "4"}


@pytest.mark.parametrize("is_shown", [False, True])
def test_a_path_that_is_no_text_stands_escaped_in_the_log_of_a_fold(
    tmp_path: Path, *, is_shown: bool
) -> None:
    shown, log = tmp_path / "shown", tmp_path / "fold-0.log"
    with shown.open("wb") as echo, _opened(log, echo.fileno() if is_shown else None) as stream:
        stream.write("script train.py from caf\udce9\n")

    assert log.read_bytes() == b"script train.py from caf\\udce9\n"
    assert shown.read_bytes() == (log.read_bytes() if is_shown else b"")


def test_a_fold_asks_for_what_its_driver_asks_for() -> None:
    """So that the fingerprints of both agree, and the script sees the same hyperparameters."""
    driver = read_request(GIVEN, {})
    told = fold_hyperparameters(GIVEN, driver, 4) | {"cv_fingerprint": FINGERPRINT}
    told |= {"cv_stop_marker": "s3://b/stop", "cv_script_objective": objective_text(Objective())}

    fold = read_request(told, {})

    assert (driver.mode, fold.mode, fold.driver.fold_index) == ("driver", "fold", 4)
    assert fold.canonical() == driver.canonical()
    assert "cv_folds" not in fold.script_hyperparameters
    assert fold.script_hyperparameters == driver.script_hyperparameters


@pytest.mark.parametrize(("objective", "names"), [(None, ["f1"]), ("f1", ["validation:f1", "f1"])])
def test_a_folds_job_shows_our_form_of_a_known_objective_and_theirs(
    objective: str | None, names: list[str]
) -> None:
    request = driver_request(**{"AlgorithmSpecification.MetricDefinitions": DEFINITIONS})
    plan = FoldPlan(
        parent_of(request),
        read_request(GIVEN, {}),
        GIVEN,
        FINGERPRINT,
        3,
        objective,
        added={"a": "b"},
    )

    made = make_fold_request(plan, FoldTry(1), max_run_s=60)

    definitions = made["AlgorithmSpecification"]["MetricDefinitions"]
    assert [each["Name"] for each in definitions] == names
    assert definitions[-1] == DEFINITIONS[0]
    assert made["HyperParameters"]["a"] == "b"
    assert made["HyperParameters"]["sagemaker_program"] == '"train.py"'


def test_an_objective_reaches_a_fold_unchanged() -> None:
    expression = 'F1 "of" \\[(\\d+)\\] $(x)\n'

    assert json.loads(objective_text(Objective("f1", expression))) == {
        "name": "f1",
        "expression": expression,
    }


def test_the_longest_objective_of_any_alphabet_fits_into_a_hyperparameter() -> None:
    """The longest that SageMaker takes: a name of 255 and an expression of 500 characters."""
    told = objective_text(Objective("é" * 255, "精" * 250 + '"\\' * 125))

    assert len(told) <= 2500


def test_the_code_that_lays_out_and_scores_a_scripts_folds_is_a_part_of_their_identity() -> None:
    versions = script_versions()

    assert versions["cv_driver"] == code_version(ROOT / "src/cv_driver")
    assert versions["crossfold"] == code_version(ROOT / "src/crossfold")


def of_script(*metrics: str) -> Expected:
    return replace(expected(3), metrics=metrics, gives_predictions=False)


def test_a_result_without_predictions_is_one_where_a_script_scores(tmp_path: Path) -> None:
    archive = tmp_path / "output.tar.gz"
    archive.write_bytes(packed_result(fold_result(1, prediction=None)))

    assert read_result(archive, 1, of_script(METRIC)).validation == {METRIC: 1.0 + 1 / 7}
    with pytest.raises(PlatformError, match="its output has no predictions"):
        read_result(archive, 1, expected(3))


def test_scores_that_the_service_told_are_marked_and_need_a_name() -> None:
    told = [{"MetricName": f"validation:{METRIC}", "Value": 0.5}]
    described = {"FinalMetricDataList": told, "TrainingTimeInSeconds": 7}

    result = read_metrics(described, 1, of_script(METRIC))

    assert (result.source, result.validation) == ("final_metrics", {METRIC: 0.5})
    assert np.array_equal(result.rows, expected(3).splits[1].test)
    with pytest.raises(PlatformError, match="nothing else tells which metric counts"):
        read_metrics(described, 1, of_script())


def test_where_a_fold_was_scored_is_kept_with_its_result(tmp_path: Path) -> None:
    from crossfold.fitting.fold_result import load_fold_result, save_fold_result

    save_fold_result(tmp_path / FOLD_RESULT, fold_result(1, source="final_metrics"))

    assert load_fold_result(tmp_path / FOLD_RESULT).source == "final_metrics"
    assert log_of_fold(OptMl(tmp_path), 1) == tmp_path / "output/data/fold_logs/fold-1.log"
