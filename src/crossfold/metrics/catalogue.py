"""The table of all metrics, and of the other names that users know them by.

Sources: scikit-learn's user guide ("Metrics and scoring"), XGBoost's parameter page
("eval_metric"), LightGBM's parameter page ("metric"); keys of SageMaker's model-quality report
from AWS docs, "Model quality metrics and Amazon CloudWatch monitoring".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import inf

from crossfold.metrics import classification as c
from crossfold.metrics import ranking, regression
from crossfold.metrics import undefined as u
from crossfold.metrics.definition import Metric, Needs
from crossfold.metrics.prediction import Task

_Rule = Callable[[u.HeldOut], str | None]
_Row = tuple[str, str, str, Callable[..., float], _Rule]

_RANGES = {
    "share": (0.0, 1.0),
    "correlation": (-1.0, 1.0),
    "up to 1": (-inf, 1.0),
    "loss": (0.0, inf),
    "share lost": (0.0, 1.0),
}
_MINIMIZED = ("loss", "share lost")

_REPORT_NAMES = {
    "f1_weighted": "weighted_f1",
    "precision_weighted": "weighted_precision",
    "recall_weighted": "weighted_recall",
}

_MACRO = "(average='macro')"
_WEIGHTED = "(average='weighted')"
_RANKED = (
    "XGBoost, 'Learning to Rank', {}; a group without a relevant row scores 1; equal scores count "
    "as if shuffled (McSherry and Najork 2008)"
)
_f1, _f1_weighted, _precision, _precision_weighted, _recall, _recall_weighted = (
    partial(mean, by_class=by_class)
    for by_class in (c.f1_by_class, c.precision_by_class, c.recall_by_class)
    for mean in (c.macro, c.weighted)
)

# Name, kind of range, source ("~" stands for "sklearn.metrics."), formula, when it is undefined.
_BINARY_LABELS: tuple[_Row, ...] = (
    ("error", "share lost", "~zero_one_loss", c.error, u.never),
    ("f1", "share", "~f1_score", c.f_beta, u.without_positive),
    ("precision", "share", "~precision_score", c.precision, u.without_positive),
    ("recall", "share", "~recall_score", c.recall, u.without_positive),
    ("specificity", "share", "~recall_score (pos_label=0)", c.specificity, u.without_negative),
)
_BINARY_SCORES: tuple[_Row, ...] = (
    ("auc", "share", "~roc_auc_score", c.auc, u.with_one_class),
    ("aucpr", "share", "~average_precision_score", c.aucpr, u.with_one_class),
)
_MULTICLASS_LABELS: tuple[_Row, ...] = (
    ("merror", "share lost", "~zero_one_loss", c.error, u.never),
    ("f1_macro", "share", f"~f1_score {_MACRO}", _f1, u.never),
    ("f1_weighted", "share", f"~f1_score {_WEIGHTED}", _f1_weighted, u.never),
    ("precision_macro", "share", f"~precision_score {_MACRO}", _precision, u.never),
    ("precision_weighted", "share", f"~precision_score {_WEIGHTED}", _precision_weighted, u.never),
    ("recall_macro", "share", f"~recall_score {_MACRO}", _recall, u.never),
    ("recall_weighted", "share", f"~recall_score {_WEIGHTED}", _recall_weighted, u.never),
)
_MULTICLASS_SCORES: tuple[_Row, ...] = (
    ("auc_ovr", "share", "~roc_auc_score (multi_class='ovr')", c.auc_ovr, u.with_a_class_missing),
)
_CLASS_LABELS: tuple[_Row, ...] = (
    ("accuracy", "share", "~accuracy_score", c.accuracy, u.never),
    (
        "balanced_accuracy",
        "share",
        "~balanced_accuracy_score",
        c.balanced_accuracy,
        u.with_one_class,
    ),
    ("mcc", "correlation", "~matthews_corrcoef", c.mcc, u.with_one_class),
    ("kappa", "correlation", "~cohen_kappa_score", c.kappa, u.with_one_class),
)
_REGRESSION: tuple[_Row, ...] = (
    ("rmse", "loss", "~root_mean_squared_error", regression.rmse, u.never),
    ("mse", "loss", "~mean_squared_error", regression.mse, u.never),
    ("mae", "loss", "~mean_absolute_error", regression.mae, u.never),
    ("mape", "loss", "~mean_absolute_percentage_error", regression.mape, u.with_zero_target),
    (
        "rmsle",
        "loss",
        "~root_mean_squared_log_error",
        regression.rmsle,
        u.with_target_up_to_minus_one,
    ),
    ("r2", "up to 1", "~r2_score", regression.r2, u.with_constant_target),
    ("huber", "loss", "mean of scipy.special.huber, delta 1", regression.huber, u.never),
    ("mphe", "loss", "XGBoost's mphe, huber_slope 1", regression.mphe, u.never),
)
_RANKING: tuple[_Row, ...] = (
    ("ndcg", "share", _RANKED.format("ndcg"), ranking.ndcg, u.without_graded_groups),
    ("map", "share", _RANKED.format("map"), ranking.average_precision, u.without_binary_groups),
)
_TABLES: tuple[tuple[tuple[Task, ...], Needs, tuple[_Row, ...]], ...] = (
    (("binary",), "ranking_scores", _BINARY_SCORES),
    (("binary",), "probabilities", (("logloss", "loss", "~log_loss", c.logloss, u.never),)),
    (
        ("multiclass",),
        "probabilities",
        (("mlogloss", "loss", "~log_loss", c.logloss, u.never),),
    ),
    (("binary", "multiclass"), "labels", _CLASS_LABELS),
    (("binary",), "labels", _BINARY_LABELS),
    (("multiclass",), "labels", _MULTICLASS_LABELS),
    (("multiclass",), "ranking_scores", _MULTICLASS_SCORES),
    (("regression",), "values", _REGRESSION),
    (("ranking",), "values", _RANKING),
)

# Sources: names in scikit-learn, LightGBM's aliases, and SageMaker's built-in XGBoost.  Names that
# flip the sign (neg_log_loss), or that mean different things in different libraries for several
# classes (auc, f1), are left out on purpose.
ALIASES: Mapping[Task, Mapping[str, str]] = {
    "binary": {
        "roc_auc": "auc",
        "average_precision": "aucpr",
        "pr_auc": "aucpr",
        "log_loss": "logloss",
        "binary_logloss": "logloss",
        "cross_entropy": "logloss",
        "binary_error": "error",
        "zero_one_loss": "error",
        "f1_binary": "f1",
        "sensitivity": "recall",
        "true_positive_rate": "recall",
        "true_negative_rate": "specificity",
        "matthews_corrcoef": "mcc",
        "cohen_kappa": "kappa",
    },
    "multiclass": {
        "logloss": "mlogloss",
        "log_loss": "mlogloss",
        "multi_logloss": "mlogloss",
        "cross_entropy": "mlogloss",
        "error": "merror",
        "multi_error": "merror",
        "zero_one_loss": "merror",
        "roc_auc_ovr": "auc_ovr",
        "matthews_corrcoef": "mcc",
        "cohen_kappa": "kappa",
    },
    "regression": {
        "l2": "mse",
        "mean_squared_error": "mse",
        "l2_root": "rmse",
        "root_mean_squared_error": "rmse",
        "l1": "mae",
        "mean_absolute_error": "mae",
        "mean_absolute_percentage_error": "mape",
        "root_mean_squared_log_error": "rmsle",
        "root_mean_squared_logarithmic_error": "rmsle",
        "r2_score": "r2",
        "pseudo_huber": "mphe",
    },
    "ranking": {"mean_average_precision": "map"},
}


def _metric(tasks: tuple[Task, ...], needs: Needs, row: _Row) -> Metric:
    name, kind, source, compute, rule = row
    low, high = _RANGES[kind]
    return Metric(
        name=name,
        direction="minimize" if kind in _MINIMIZED else "maximize",
        tasks=frozenset(tasks),
        needs=needs,
        low=low,
        high=high,
        source=source.replace("~", "sklearn.metrics."),
        report_name=_REPORT_NAMES.get(name, name),
        _compute=compute,
        _undefined=rule,
    )


METRICS: Mapping[str, Metric] = {
    row[0]: _metric(tasks, needs, row) for tasks, needs, rows in _TABLES for row in rows
}
