from __future__ import annotations

import math
import pickle
import subprocess
import sys

import pytest

from crossfold.errors import UserError
from crossfold.metrics.metric import default_metrics, metric_named, metric_names
from crossfold.metrics.prediction import Task

ASKED: dict[Task, str] = {
    "binary": (
        "auc aucpr logloss accuracy error balanced_accuracy f1 f0.5 f2 precision recall "
        "specificity mcc kappa"
    ),
    "multiclass": ("mlogloss merror accuracy balanced_accuracy f1_macro f1_weighted auc_ovr kappa"),
    "regression": "rmse mse mae mape rmsle r2 huber",
    "ranking": "ndcg ndcg@5 map map@10",
}
LOWER_IS_BETTER = frozenset(
    ("logloss", "error", "mlogloss", "merror", "rmse", "mse", "mae", "mape", "rmsle", "huber")
)


@pytest.mark.parametrize("task", ASKED)
def test_every_metric_is_known_with_direction_range_and_source(task: Task) -> None:
    for name in ASKED[task].split():
        metric = metric_named(name, task)

        assert metric.name == name
        assert metric.direction == ("minimize" if name in LOWER_IS_BETTER else "maximize")
        assert metric.low < metric.high
        assert "." in metric.source or "XGBoost" in metric.source


@pytest.mark.parametrize(
    ("alias", "task", "name"),
    [
        ("roc_auc", "binary", "auc"),
        ("average_precision", "binary", "aucpr"),
        ("log_loss", "binary", "logloss"),
        ("binary_error", "binary", "error"),
        ("f1.0", "binary", "f1"),
        ("f2.0", "binary", "f2"),
        (" AUC ", "binary", "auc"),
        ("multi_logloss", "multiclass", "mlogloss"),
        ("logloss", "multiclass", "mlogloss"),
        ("multi_error", "multiclass", "merror"),
        ("l2", "regression", "mse"),
        ("l1", "regression", "mae"),
        ("pseudo_huber", "regression", "mphe"),
        ("ndcg@05", "ranking", "ndcg@5"),
    ],
)
def test_other_names_lead_to_the_same_metric(alias: str, task: Task, name: str) -> None:
    assert metric_named(alias, task) == metric_named(name, task)
    assert metric_named(alias, task).name == name


def test_an_unknown_metric_names_the_nearest_and_lists_the_known() -> None:
    with pytest.raises(UserError) as caught:
        metric_named("acuracy", "binary")

    message = str(caught.value)
    assert message.startswith(
        "hyperparameter 'eval_metric': metric 'acuracy' is unknown for task 'binary'; did you "
        "mean 'accuracy'? expected one of "
    )
    assert all(name in message for name in metric_names("binary"))
    assert "\n" not in message


def test_a_metric_of_another_task_says_whose_it_is() -> None:
    with pytest.raises(UserError, match="'rmse' is for regression, but the task is 'binary'"):
        metric_named("rmse", "binary")


@pytest.mark.parametrize("name", ["f1", "f2", "auc"])
def test_names_that_are_ambiguous_for_several_classes_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="is for binary"):
        metric_named(name, "multiclass")


@pytest.mark.parametrize("name", ["neg_log_loss", "", "f", "f-1", "ndcg", "f1e3"])
def test_what_is_no_metric_is_refused(name: str) -> None:
    with pytest.raises(UserError):
        metric_named(name, "binary")


@pytest.mark.parametrize(
    ("name", "task", "words"),
    [
        ("f0", "binary", "beta is 0"),
        ("error@1.5", "binary", "between 0 and 1"),
        ("error@x", "binary", "between 0 and 1"),
        ("ndcg@0", "ranking", "whole number above 0"),
        ("ndcg@5-", "ranking", "whole number above 0"),
        ("map@2.5", "ranking", "whole number above 0"),
    ],
)
def test_a_number_out_of_range_says_what_is_allowed(name: str, task: Task, words: str) -> None:
    with pytest.raises(UserError, match=words):
        metric_named(name, task)


@pytest.mark.parametrize(
    ("task", "has_probabilities", "name"),
    [
        ("binary", True, "logloss"),
        ("multiclass", True, "mlogloss"),
        ("regression", True, "rmse"),
        ("regression", False, "rmse"),
        ("ranking", False, "ndcg"),
        ("binary", False, "accuracy"),
        ("multiclass", False, "accuracy"),
    ],
)
def test_defaults_by_task(task: Task, *, has_probabilities: bool, name: str) -> None:
    assert [m.name for m in default_metrics(task, has_probabilities)] == [name]


@pytest.mark.parametrize(
    ("name", "task", "key"),
    [
        ("auc", "binary", "auc"),
        ("f2", "binary", "f2"),
        ("f0.5", "binary", "f0_5"),
        ("f1_weighted", "multiclass", "weighted_f1"),
        ("r2", "regression", "r2"),
    ],
)
def test_report_names_are_those_of_the_model_quality_report(
    name: str, task: Task, key: str
) -> None:
    assert metric_named(name, task).report_name == key


def test_better_follows_the_direction_and_nan_is_worst() -> None:
    auc, rmse = metric_named("auc", "binary"), metric_named("rmse", "regression")

    assert auc.is_better(0.9, 0.8)
    assert rmse.is_better(0.8, 0.9)
    assert not auc.is_better(0.8, 0.8)
    assert auc.is_better(0.1, math.nan)
    assert not rmse.is_better(math.nan, 1e9)
    assert not rmse.is_better(math.nan, math.nan)


@pytest.mark.parametrize("name", ["f0.5", "auc", "error@0.2"])
def test_metrics_travel_between_processes(name: str) -> None:
    metric = metric_named(name, "binary")

    assert pickle.loads(pickle.dumps(metric)).name == metric.name  # noqa: S301  our own bytes


def test_importing_the_metrics_loads_neither_scikit_learn_nor_scipy() -> None:
    code = (
        "import sys, crossfold.metrics.metric, crossfold.metrics.summary\n"
        "assert not {'sklearn', 'scipy', 'pandas'} & set(sys.modules)"
    )

    subprocess.run([sys.executable, "-c", code], check=True)
