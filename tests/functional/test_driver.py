"""The driver end to end: numbers, files, launchers, final models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error
from sklearn.model_selection import KFold, LeaveOneOut, StratifiedKFold, cross_validate

from tests.datasets import cancer_rows, diabetes_rows
from tests.opt_ml import Ended, build_opt_ml, run

REGRESSION = {"num_round": "20", "max_depth": "3", "cv_folds": "4", "label": "progression"}


def _diabetes(root: Path, **hyperparameters: str) -> Ended:
    own = REGRESSION | hyperparameters
    return run(build_opt_ml(root, own, {"train": {"diabetes.csv": diabetes_rows()}}))


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm", "ridge"])
def test_fold_scores_equal_cross_validate(tmp_path: Path, algorithm: str) -> None:
    from lightgbm import LGBMRegressor
    from sklearn.linear_model import Ridge
    from xgboost import XGBRegressor

    estimator = {
        "xgboost": XGBRegressor(n_estimators=20, max_depth=3, random_state=0),
        "lightgbm": LGBMRegressor(n_estimators=20, max_depth=3, random_state=0, verbosity=-1),
        "ridge": Ridge(),
    }[algorithm]
    own = {"algorithm": algorithm, "eval_metric": "rmse,r2", "cv_seed": "7"}
    unwanted = {"num_round": "20", "max_depth": "3"} if algorithm == "ridge" else {}
    own = {name: text for name, text in (REGRESSION | own).items() if name not in unwanted}
    data = np.array(diabetes_rows()[1:], dtype=np.float64)
    kind = np.float32 if algorithm == "xgboost" else np.float64

    ended = run(build_opt_ml(tmp_path, own, {"train": {"d.csv": diabetes_rows()}}))

    assert ended.code == 0, ended.log
    expected = cross_validate(
        estimator,
        data[:, 1:].astype(kind),
        data[:, 0],
        cv=KFold(4, shuffle=True, random_state=7),
        scoring=("neg_root_mean_squared_error", "r2"),
        return_train_score=True,
    )
    folds = ended.cv_results["folds"]
    for name, score, sign in (("rmse", "neg_root_mean_squared_error", -1), ("r2", "r2", 1)):
        ours = [fold["validation"][name] for fold in folds]
        np.testing.assert_allclose(ours, sign * expected[f"test_{score}"], rtol=0, atol=1e-9)
        ours = [fold["train"][name] for fold in folds]
        np.testing.assert_allclose(ours, sign * expected[f"train_{score}"], rtol=0, atol=1e-9)
        assert ended.metric(f"validation:{name}") == pytest.approx(
            sign * expected[f"test_{score}"].mean(), abs=1e-9
        )
        assert ended.metric(f"validation:{name}_std") == pytest.approx(
            expected[f"test_{score}"].std(ddof=1), abs=1e-9
        )


def test_out_of_fold_predictions_rescore_to_the_reported_numbers(tmp_path: Path) -> None:
    ended = _diabetes(tmp_path, eval_metric="rmse,mae,r2")

    assert ended.code == 0, ended.log
    lines = ended.oof()
    assert [int(line["row"]) for line in lines] == list(range(442))
    for fold in ended.cv_results["folds"]:
        own = [line for line in lines if int(line["fold"]) == fold["fold"]]
        label = [float(line["label"]) for line in own]
        predicted = [float(line["prediction"]) for line in own]
        scores = fold["validation"]
        assert root_mean_squared_error(label, predicted) == pytest.approx(scores["rmse"], abs=1e-9)
        assert mean_absolute_error(label, predicted) == pytest.approx(scores["mae"], abs=1e-9)
        assert r2_score(label, predicted) == pytest.approx(scores["r2"], abs=1e-9)


def test_probabilities_out_of_fold_rescore_and_repeats_have_lines_of_their_own(
    tmp_path: Path,
) -> None:
    own = {"num_round": "10", "cv_folds": "3", "cv_repeats": "2", "eval_metric": "auc"}

    ended = run(build_opt_ml(tmp_path, own, {"train": {"c.csv": cancer_rows()}}))

    assert ended.code == 0, ended.log
    lines = ended.oof()
    assert len(lines) == 2 * 569
    for fold in ended.cv_results["folds"]:
        chosen = [
            line
            for line in lines
            if (int(line["repeat"]), int(line["fold"])) == (fold["repeat"], fold["fold"])
        ]
        auc = roc_auc_score(
            [line["label"] == "1" for line in chosen],
            [float(line["probability_1"]) for line in chosen],
        )
        assert auc == pytest.approx(fold["validation"]["auc"], abs=1e-9)


def test_the_process_launcher_gives_the_inline_launchers_numbers(tmp_path: Path) -> None:
    inline = _diabetes(tmp_path / "a", cv_launcher="inline", cv_final_model="none")
    process = _diabetes(tmp_path / "b", cv_launcher="process", cv_final_model="none")

    assert process.code == 0, process.log
    assert inline.oof() == process.oof()
    for one, other in zip(inline.cv_results["folds"], process.cv_results["folds"], strict=True):
        assert one["validation"] == other["validation"]
    assert "model test score" not in process.log


@pytest.mark.parametrize(("kind", "n_models"), [("refit", 1), ("ensemble", 4), ("none", 0)])
@pytest.mark.parametrize("launcher", ["inline", "process"])
def test_the_final_model_is_what_was_asked_for(
    tmp_path: Path, kind: str, n_models: int, launcher: str
) -> None:
    ended = _diabetes(tmp_path, cv_final_model=kind, cv_launcher=launcher)

    assert ended.code == 0, ended.log
    if kind == "none":
        assert not list(ended.opt_ml.model.glob("*"))
    else:
        assert ended.manifest["final_model"] == kind
        assert ended.manifest["complete"] is True
        assert len(list(ended.opt_ml.model.glob("*.ubj"))) == n_models


def test_leave_one_out_reports_the_pooled_rmse(tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import cross_val_predict

    own = {"algorithm": "ridge", "label": "progression", "cv_strategy": "leave_one_out"}
    data = np.array(diabetes_rows()[1:], dtype=np.float64)

    ended = run(build_opt_ml(tmp_path, own, {"train": {"d.csv": diabetes_rows()}}))

    assert ended.code == 0, ended.log
    predicted = cross_val_predict(Ridge(), data[:, 1:], data[:, 0], cv=LeaveOneOut())
    expected = root_mean_squared_error(data[:, 0], predicted)
    assert ended.metric("validation:rmse") == pytest.approx(expected, abs=1e-9)
    assert ended.cv_results["aggregate"] == "pooled"


def test_early_stopping_watches_rows_of_the_training_part_only(tmp_path: Path) -> None:
    ended = _diabetes(tmp_path, num_round="300", early_stopping_rounds="5", eta="0.3")

    assert ended.code == 0, ended.log
    rounds = [fold["best_round"] for fold in ended.cv_results["folds"]]
    assert all(0 < n_rounds < 300 for n_rounds in rounds)
    assert ended.manifest["rounds_done"] == round(float(np.mean(rounds)))


def test_the_test_channel_is_scored_by_the_final_model_and_never_fitted_on(tmp_path: Path) -> None:
    from sklearn.linear_model import Ridge

    rows = diabetes_rows()
    data = np.array(rows[1:], dtype=np.float64)
    channels = {"train": {"d.csv": rows[:400]}, "test": {"d.csv": [rows[0], *rows[400:]]}}
    own = {"algorithm": "ridge", "label": "progression", "cv_folds": "4"}

    ended = run(build_opt_ml(tmp_path, own, channels))

    assert ended.code == 0, ended.log
    model = Ridge().fit(data[:399, 1:], data[:399, 0])
    expected = root_mean_squared_error(data[399:, 0], model.predict(data[399:, 1:]))
    assert ended.metric("test:rmse") == pytest.approx(expected, abs=1e-9)


def test_pooling_the_validation_channel_folds_its_rows_too(tmp_path: Path) -> None:
    rows = diabetes_rows()
    channels = {"train": {"d.csv": rows[:300]}, "validation": {"d.csv": [rows[0], *rows[300:]]}}

    ended = run(build_opt_ml(tmp_path, REGRESSION | {"cv_validation": "pool"}, channels))

    assert ended.code == 0, ended.log
    whole = _diabetes(tmp_path / "whole")
    assert ended.metric("validation:rmse") == whole.metric("validation:rmse")


def test_running_means_come_in_fold_order_and_end_at_the_mean(tmp_path: Path) -> None:
    ended = _diabetes(tmp_path, cv_emit="running", cv_final_model="none")

    values = [
        float(line.removeprefix("validation:rmse=").removesuffix(";"))
        for line in ended.log.splitlines()
        if line.startswith("validation:rmse=")
    ]
    folds = [fold["validation"]["rmse"] for fold in ended.cv_results["folds"]]
    running = np.cumsum(folds) / np.arange(1, 5)
    np.testing.assert_allclose(values, [*running, np.mean(folds)], rtol=1e-12)


def test_exact_duplicates_across_folds_are_counted_and_warned_of(tmp_path: Path) -> None:
    rows = diabetes_rows()

    ended = run(build_opt_ml(tmp_path, REGRESSION, {"train": {"d.csv": [*rows, *rows[1:]]}}))

    data = np.array([*rows[1:], *rows[1:]], dtype=np.float64)
    fold_of = np.empty(884, dtype=int)
    for fold, (_, test) in enumerate(KFold(4, shuffle=True, random_state=0).split(data)):
        fold_of[test] = fold
    expected = 2 * int(np.sum(fold_of[:442] != fold_of[442:]))
    assert ended.cv_results["data"]["n_duplicates_across_folds"] == expected
    assert f"warning: {expected} rows" in ended.log


def test_a_tolerated_failure_is_said_in_the_results(tmp_path: Path) -> None:
    rows = cancer_rows(200)
    fold_column: list[list[object]] = [["label", *[f"x{i}" for i in range(30)], "part"]]
    for place, row in enumerate(rows):
        fold_column.append([*row, "a" if row[0] == 0 else "bc"[place % 2]])
    own = {
        "algorithm": "logistic_regression",
        "max_iter": "20000",
        "fold_column": "part",
        "eval_metric": "accuracy",
        "cv_min_success": "1",
    }

    ended = run(build_opt_ml(tmp_path, own, {"train": {"c.csv": fold_column}}))

    assert ended.code == 0, ended.log
    status = [fold["status"] for fold in ended.cv_results["folds"]]
    assert status == ["failed", "succeeded", "succeeded"]
    assert "class" in ended.cv_results["folds"][0]["reason"]


def test_evaluation_json_has_the_shape_of_a_model_quality_report(tmp_path: Path) -> None:
    ended = _diabetes(tmp_path)

    report = json.loads((ended.opt_ml.output_data / "evaluation.json").read_text())
    entry = report["regression_metrics"]["rmse"]
    assert entry["value"] == ended.metric("validation:rmse")
    assert entry["standard_deviation"] == ended.metric("validation:rmse_std")


def test_stratified_is_the_default_for_classes(tmp_path: Path) -> None:
    own = {"cv_folds": "5", "num_round": "3", "cv_seed": "11"}

    ended = run(build_opt_ml(tmp_path, own, {"train": {"c.csv": cancer_rows()}}))

    data = np.array(cancer_rows(), dtype=np.float64)
    splitter = StratifiedKFold(5, shuffle=True, random_state=11)
    expected = np.empty(569, dtype=int)
    for fold, (_, test) in enumerate(splitter.split(data, data[:, 0])):
        expected[test] = fold
    assert [int(line["fold"]) for line in ended.oof()] == expected.tolist()


def test_a_metric_that_a_fold_cannot_have_is_refused_with_the_number_of_folds_that_works(
    tmp_path: Path,
) -> None:
    rows = [row for row in cancer_rows() if row[0] == 0][:40]
    rows += [row for row in cancer_rows() if row[0] == 1][:4]
    own = {"cv_folds": "6", "num_round": "2", "eval_metric": "auc"}

    ended = run(build_opt_ml(tmp_path / "a", own, {"train": {"c.csv": rows}}))
    fewer = run(build_opt_ml(tmp_path / "b", own | {"cv_folds": "4"}, {"train": {"c.csv": rows}}))

    assert ended.code == 1
    assert "eval_metric 'auc' is undefined in fold" in ended.failure
    assert "the largest cv_folds that works is 4" in ended.failure
    assert fewer.code == 0, fewer.log


def test_running_means_step_over_a_tolerated_failure(tmp_path: Path) -> None:
    rows = cancer_rows(200)
    table: list[list[object]] = [["label", *[f"x{i}" for i in range(30)], "part"]]
    for place, row in enumerate(rows):
        table.append([*row, "b" if row[0] == 0 else "acd"[place % 3]])
    own = {
        "algorithm": "logistic_regression",
        "max_iter": "20000",
        "fold_column": "part",
        "eval_metric": "accuracy",
    }
    own |= {"cv_min_success": "1", "cv_emit": "running", "cv_final_model": "none"}

    ended = run(build_opt_ml(tmp_path, own, {"train": {"c.csv": table}}))

    assert ended.code == 0, ended.log
    folds = ended.cv_results["folds"]
    scores = [f["validation"]["accuracy"] for f in folds if f["status"] == "succeeded"]
    assert [fold["status"] for fold in folds] == ["succeeded", "failed", "succeeded", "succeeded"]
    values = [
        float(line.removeprefix("validation:accuracy=").removesuffix(";"))
        for line in ended.log.splitlines()
        if line.startswith("validation:accuracy=")
    ]
    np.testing.assert_allclose(values, [*np.cumsum(scores) / [1, 2, 3], np.mean(scores)])


def test_a_failed_folds_reason_outlives_the_wait_for_the_others(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(9000, 10)).round(3)
    label = (features[:, 0] + random.normal(size=9000) > 0).astype(int)
    part = np.where(np.arange(9000) < 4500, "a", "b")
    keep = (part == "a") | (label == 1)
    table: list[list[object]] = [["y", *[f"x{i}" for i in range(10)], "part"]]
    table += [
        [int(label[row]), *features[row].tolist(), str(part[row])] for row in np.flatnonzero(keep)
    ]
    own = {"algorithm": "svm", "C": "10000", "fold_column": "part", "eval_metric": "accuracy"}
    own |= {"cv_max_parallel": "2"}

    ended = run(build_opt_ml(tmp_path, own, {"train": {"c.csv": table}}))

    assert ended.code == 1
    assert "stopped before" not in ended.failure
    assert "fold 1 of 2 failed" in ended.failure
