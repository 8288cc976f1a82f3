"""The article's, the examples' and the built-in XGBoost's jobs with their image exchanged.

They run on a SageMaker that really runs jobs; every expected score is computed with scikit-learn or
XGBoost alone.  Where a published system fixes the algorithm in its own code, the environment
variable ``ALGORITHM_CHOICE`` names it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import numpy as np
import pytest
import xgboost
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.metrics import log_loss, root_mean_squared_error
from sklearn.model_selection import (
    KFold,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.tree import DecisionTreeClassifier

from local_test.control_plane.plane_process import RunningPlane, plane_process
from tests.conftest import ROOT
from tests.functional.test_siblings import client, fold_jobs
from tests.published_requests import (
    ALIASES,
    BUCKET,
    Asked,
    completed,
    create,
    ended,
    labelled,
    mean,
    put,
)
from tests.serving import free_port

Array = NDArray[np.float64]

S3 = f"s3://{BUCKET}"
N_FOLDS = 3
IN_JOBS = {"instance_type": "ml.m5.large"}
# The article: names of metrics, expressions and channels; every other name is the user's.
ARTICLE_METRICS = {
    "training:score": "average model training score:(.*?);",
    "validation:score": "average model validation score:(.*?);",
}
ARTICLE = {
    "algorithm": "ridge",
    "alpha": "0.3",
    "cv_folds": str(N_FOLDS),
    "_tuning_objective_metric": "validation:score",
}
# The built-in XGBoost's own definition; the log shows a tab as #011.
BUILT_IN_METRICS = {"validation:logloss": r".*\[[0-9]+\].*#011validation-logloss:(\S+)"}
BUILT_IN = {
    "_kfold": str(N_FOLDS),
    "_num_cv_round": "2",
    "num_round": "10",
    "eta": "0.3",
    "max_depth": "3",
    "gamma": "1",
    "min_child_weight": "2",
    "subsample": "1.0",
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "_tuning_objective_metric": "validation:logloss",
}
N_CANCER = 200
SPECIES = np.array(["setosa", "versicolor", "virginica"])


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPlane]:
    """Run a plane with everybody's data in S3 and everybody's jobs under way."""
    folder = tmp_path_factory.mktemp("others")
    command = [sys.executable, "-m", "local_test.control_plane"]
    options = ["--port", str(free_port()), "--root", str(folder / "plane"), "--grace", "60"]
    with contextlib.chdir(ROOT), plane_process([*command, *options], folder / "log") as running:
        client(running, "s3").create_bucket(Bucket=BUCKET)
        _put_data(running)
        create(running, *_article_jobs(), *_example_jobs(), *_built_in_jobs())
        yield running


def _article_jobs() -> list[Asked]:
    folds = {channel: f"{S3}/article/{channel}" for channel in ("train", "validation")}
    warm = IN_JOBS | {"fold_keep_alive_s": "600"}
    said = (folds, ARTICLE_METRICS)
    return [
        Asked("article-jobs", ARTICLE | warm, *said, content_type="text/csv"),
        Asked("article-one", ARTICLE, *said, content_type="text/csv"),
    ]


def _example_jobs() -> list[Asked]:
    training = {"training": f"{S3}/iris"}
    tree = {"ALGORITHM_CHOICE": "decision_tree"}
    forest = {
        "DATASET_DIRECTORY": "1_year",
        "ALGORITHM_CHOICE": "RandomForest",
        "ML_WORKFLOW_CHOICE": "singleCPU",
        "CV_FOLDS": str(N_FOLDS),
    }
    tuned = {"max_depth": "4", "n_estimators": "12", "max_features": "0.5"}
    score = {"_tuning_objective_metric": "final-score"}
    rapids = (training, {"final-score": "final-score: (.*);"}, forest)
    ten = {"cv_folds": "10", "_tuning_objective_metric": "validation:accuracy"}
    return [
        Asked("own", {"max_leaf_nodes": "3"}, training, environment=tree),
        Asked("own-wrong", {"max_leaf_nodes": "1"}, training, environment=tree),
        Asked(
            "marketplace",
            {"max_leaf_nodes": "3"} | ten,
            training,
            metrics={"validation:accuracy": r"validation-accuracy: (\S+)"},
            environment=tree,
        ),
        Asked("rapids", tuned | score, *rapids),
        Asked("rapids-jobs", tuned | score | IN_JOBS, *rapids),
    ]


def _built_in_jobs() -> list[Asked]:
    channels = {channel: f"{S3}/cancer/{channel}" for channel in ("train", "validation")}
    said = (channels, BUILT_IN_METRICS)
    return [
        Asked("built-in", BUILT_IN, *said, content_type="text/csv"),
        Asked("built-in-jobs", BUILT_IN | IN_JOBS, *said, content_type="text/csv"),
    ]


@pytest.mark.parametrize(("name", "n_jobs"), [("article-jobs", N_FOLDS), ("article-one", 0)])
def test_the_article_s_tuner_gets_both_of_its_averages(
    plane: RunningPlane, name: str, n_jobs: int
) -> None:
    driver = completed(plane, name)

    train, validation = _ridge_scores()
    captured = [driver.captured(expression) for expression in ARTICLE_METRICS.values()]
    assert captured == [
        [pytest.approx(mean(train), rel=1e-9)],
        [pytest.approx(mean(validation), rel=1e-9)],
    ]
    assert driver.metrics == pytest.approx(
        {"training:score": mean(train), "validation:score": mean(validation)}, rel=1e-6
    )
    assert len(fold_jobs(plane, name)) == n_jobs


def test_the_article_s_fold_jobs_stay_warm_and_unprofiled(plane: RunningPlane) -> None:
    completed(plane, "article-jobs")

    fold = completed(plane, "article-jobs-f1").described
    assert fold["ResourceConfig"]["KeepAlivePeriodInSeconds"] == 600
    assert fold["ProfilerConfig"]["DisableProfiler"] is True


def test_the_article_s_final_job_fits_the_whole_of_its_one_channel(plane: RunningPlane) -> None:
    best = {name: ARTICLE[name] for name in ("algorithm", "alpha")}

    create(plane, Asked("article-final", best, {"train": f"{S3}/article-full"}))
    final = completed(plane, "article-final")

    features, label = load_diabetes(return_X_y=True)
    fitted = Ridge(alpha=0.3).fit(features, label)
    expected = root_mean_squared_error(label, fitted.predict(features))
    assert final.captured(r"train:rmse=(.*?);") == [pytest.approx(expected, rel=1e-9)]
    assert final.manifest["final_model"] == "single"


def test_the_own_container_s_tree_is_fitted_to_all_files_of_channel_training(
    plane: RunningPlane,
) -> None:
    single = completed(plane, "own")

    features, label = _flowers()
    expected = log_loss(label, _tree().fit(features, label).predict_proba(features))
    assert single.captured(r"train:mlogloss=(.*?);") == [pytest.approx(expected, abs=1e-12)]
    assert single.manifest["classes"] == SPECIES.tolist()


def test_the_own_container_s_failure_file_tells_the_service_the_reason(
    plane: RunningPlane,
) -> None:
    wrong = ended(plane, "own-wrong").described

    assert wrong["TrainingJobStatus"] == "Failed"
    assert "UserError: hyperparameter 'max_leaf_nodes' is '1'" in wrong["FailureReason"]


def test_the_marketplace_metric_is_the_mean_of_ten_folds(plane: RunningPlane) -> None:
    driver = completed(plane, "marketplace")

    features, label = _flowers()
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    expected = mean(cross_val_score(_tree(), features, label, cv=folds))
    assert driver.captured(r"validation-accuracy: (\S+)") == [pytest.approx(expected, abs=1e-12)]
    assert driver.metrics["validation:accuracy"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("name", "n_jobs"), [("rapids", 0), ("rapids-jobs", N_FOLDS)])
def test_the_rapids_example_is_chosen_by_its_environment(
    plane: RunningPlane, name: str, n_jobs: int
) -> None:
    driver = completed(plane, name)

    features, label = _flowers()
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    forest = RandomForestClassifier(max_depth=4, n_estimators=12, max_features=0.5, random_state=0)
    expected = mean(cross_val_score(forest, features, label, cv=folds))
    assert driver.captured(r"final-score: (.*);") == [pytest.approx(expected, abs=1e-12)]
    assert driver.metrics["final-score"] == pytest.approx(expected, rel=1e-6)
    assert len(fold_jobs(plane, name)) == n_jobs


def test_a_fold_of_the_rapids_example_has_its_environment_but_no_number_of_folds(
    plane: RunningPlane,
) -> None:
    completed(plane, "rapids-jobs")

    fold = completed(plane, "rapids-jobs-f2").described
    assert set(fold["Environment"]) == {
        "ALGORITHM_CHOICE",
        "DATASET_DIRECTORY",
        "ML_WORKFLOW_CHOICE",
    }


@pytest.mark.parametrize(("name", "n_jobs"), [("built-in", 0), ("built-in-jobs", 2 * N_FOLDS)])
def test_the_built_in_s_folds_score_rows_that_they_were_not_fitted_on(
    plane: RunningPlane, name: str, n_jobs: int
) -> None:
    driver = completed(plane, name)

    train, validation = _booster_scores()
    (line,) = [each for each in driver.log.splitlines() if each.startswith("[")]
    head, *values = line.split("#011")
    assert head == "[10]"
    shown = {name: float(value) for name, value in (each.split(":") for each in values)}
    assert shown == pytest.approx(
        {"train-logloss": mean(train), "validation-logloss": mean(validation)}, rel=1e-6
    )
    assert driver.metrics == pytest.approx({"validation:logloss": mean(validation)}, rel=1e-6)
    assert len(fold_jobs(plane, name)) == n_jobs
    assert len(driver.evaluation("cv_results.json")["folds"]) == 2 * N_FOLDS


@pytest.mark.parametrize("names", [("article-jobs", "article-one"), ("built-in-jobs", "built-in")])
def test_folds_as_jobs_and_folds_in_the_driver_give_the_same_numbers(
    plane: RunningPlane, names: tuple[str, str]
) -> None:
    in_jobs, in_one = (completed(plane, name).evaluation("cv_results.json") for name in names)

    for ours, theirs in zip(in_jobs["folds"], in_one["folds"], strict=True):
        for split in ("train", "validation"):
            assert ours[split] == pytest.approx(theirs[split], rel=0, abs=1e-9)


@pytest.mark.parametrize("name", ["article-jobs", "marketplace", "rapids", "built-in"])
def test_each_published_expression_finds_at_most_one_line(plane: RunningPlane, name: str) -> None:
    driver = completed(plane, name)

    for expression in (*ALIASES, r"validation-accuracy: (\S+)"):
        assert len(driver.captured(expression)) <= 1, expression


def _ridge_scores() -> tuple[list[float], list[float]]:
    features, label = load_diabetes(return_X_y=True)
    train: list[float] = []
    validation: list[float] = []
    for fit, held in _article_folds(len(label)):
        fitted = Ridge(alpha=0.3).fit(features[fit], label[fit])
        for rows, scores in ((fit, train), (held, validation)):
            scores.append(
                float(root_mean_squared_error(label[rows], fitted.predict(features[rows])))
            )
    return train, validation


def _booster_scores() -> tuple[list[float], list[float]]:
    """Score what the built-in says it does: rows of both channels, folded and repeated."""
    features, label = _tumours()
    parameters = {
        "eta": 0.3,
        "max_depth": 3,
        "gamma": 1,
        "min_child_weight": 2,
        "objective": "binary:logistic",
        "seed": 0,
        "nthread": 1,
    }
    train: list[float] = []
    validation: list[float] = []
    folds = RepeatedStratifiedKFold(n_splits=N_FOLDS, n_repeats=2, random_state=0)
    for fit, held in folds.split(features, label):
        booster = xgboost.train(
            parameters, xgboost.DMatrix(features[fit], label[fit]), num_boost_round=10
        )
        for rows, scores in ((fit, train), (held, validation)):
            predicted = booster.predict(xgboost.DMatrix(features[rows]))
            scores.append(float(log_loss(label[rows], predicted.astype(np.float64))))
    return train, validation


def _tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_leaf_nodes=3, random_state=0)


def _flowers() -> tuple[Array, NDArray[np.str_]]:
    features, label = load_iris(return_X_y=True)
    return features, SPECIES[label]


def _tumours() -> tuple[Array, Array]:
    features, label = load_breast_cancer(return_X_y=True)
    return features[:N_CANCER], label[:N_CANCER]


def _article_folds(n_rows: int) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    return list(KFold(N_FOLDS, shuffle=True, random_state=1).split(np.zeros(n_rows)))


def _put_data(plane: RunningPlane) -> None:
    features, label = load_diabetes(return_X_y=True)
    put(plane, "article-full/train_full.csv", labelled(label, features))
    for fold, (fit, held) in enumerate(_article_folds(len(label))):
        put(plane, f"article/train/{fold}/train.csv", labelled(label[fit], features[fit]))
        put(plane, f"article/validation/{fold}/rows.csv", labelled(label[held], features[held]))
    flowers, species = _flowers()
    put(plane, "iris/a.csv", labelled(species[:70], flowers[:70]))
    put(plane, "iris/b.csv", labelled(species[70:], flowers[70:]))
    tumours, kind = _tumours()
    put(plane, "cancer/train/rows.csv", labelled(kind[:150], tumours[:150]))
    put(plane, "cancer/validation/rows.csv", labelled(kind[150:], tumours[150:]))
