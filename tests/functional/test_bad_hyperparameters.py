"""Hyperparameters unknown, ill-typed, out of range or contradictory end before data is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.broken_files import (
    small_csv,
)
from tests.in_process import failure_of

UNKNOWN = [
    ({"ettta": "0.1"}, ["'ettta'", "'0.1'", "eta"]),
    ({"max_dept": "3"}, ["'max_dept'", "max_depth"]),
    ({"algorithm": "xgbost"}, ["'algorithm'", "'xgbost'", "nearest: xgboost", "lightgbm"]),
    ({"algorithm": "sklearn.svm.Nope"}, ["'sklearn.svm.Nope'"]),
    ({"algorithm": "os.system"}, ["'algorithm'", "'os.system'"]),
    ({"algorithm": "sklearn.preprocessing.StandardScaler"}, ["StandardScaler", "classifier"]),
    ({"eval_metric": "accurcy"}, ["'accurcy'", "accuracy"]),
    ({"k": "3"}, ["'k'", "cv_folds"]),
    ({"cv_fold": "3"}, ["'cv_fold'", "cv_folds"]),
]
ILL_TYPED = [
    ({"eta": "fast"}, ["'eta'", "'fast'", "a number above 0 and at most 1"]),
    ({"eta": "0,3"}, ["'eta'", "'0,3'"]),
    ({"eta": "nan"}, ["'eta'", "'nan'"]),
    ({"max_depth": "3.5"}, ["'max_depth'", "'3.5'", "integer of at least 0"]),
    ({"num_round": "many"}, ["'num_round'", "'many'", "integer of at least 1"]),
    ({"cv_folds": "2.5"}, ["'cv_folds'", "'2.5'", "integer of at least 2"]),
    ({"standardize": "perhaps"}, ["'standardize'", "'perhaps'", "true or false"]),
    ({"class_weight": "heavy"}, ["'class_weight'", "'heavy'", "'balanced'"]),
    ({"_kfold": "x"}, ["'_kfold'", "'x'", "integer of at least 2"]),
]
OUT_OF_RANGE = [
    ({"subsample": "1.5"}, ["'subsample'", "'1.5'", "above 0 and at most 1"]),
    ({"num_round": "0"}, ["'num_round'", "'0'", "at least 1"]),
    ({"cv_folds": "1"}, ["'cv_folds'", "'1'", "at least 2"]),
    ({"early_stopping_fraction": "0.9"}, ["'0.9'", "at most 0.5"]),
    ({"seed": "-1"}, ["'seed'", "'-1'"]),
    ({"cv_strategy": "nope"}, ["'cv_strategy'", "'nope'", "'stratified'"]),
    ({"objective": "reg:foo"}, ["'objective'", "'reg:foo'", "'reg:squarederror'"]),
    ({"header": "maybe"}, ["'header'", "'maybe'", "'auto'"]),
    ({"cv_max_parallel": "0"}, ["'cv_max_parallel'", "'0'"]),
    ({"class_weight": '{"1": -2}'}, ["'class_weight'", "at least 0"]),
    ({"algorithm": "lightgbm", "num_leaves": "1"}, ["'num_leaves'", "'1'", "131072"]),
    ({"algorithm": "svm", "C": "0", "num_round": ""}, ["'C'", "'0'", "above 0"]),
    ({"eta": "1" * 2600}, ["'eta'", "2600", "2500"]),
    ({"x" * 300: "1"}, ["300 characters", "256"]),
    ({"eta": "9" * 2000}, ["'eta'", "at most 1"]),
]
CONTRADICTORY = [
    ({"eta": "0.1", "learning_rate": "0.3"}, ["'eta'", "'learning_rate'"]),
    ({"objective": "multi:softprob", "task": "regression"}, ["'task'", "'objective'"]),
    ({"objective": "binary:logistic", "num_class": "3"}, ["'num_class'", "binary"]),
    ({"eval_metric": "rmse", "task": "binary"}, ["'rmse'", "binary", "logloss"]),
    ({"cv_strategy": "leave_one_out", "cv_folds": "3"}, ["'cv_strategy'", "'cv_folds'"]),
    ({"cv_strategy": "kfold", "cv_gap": "2"}, ["'cv_gap'", "time_series"]),
    ({"cv_folds": "3", "fold_column": "a", "cv_strategy": "kfold"}, ["'fold_column'", "'a'"]),
    (
        {"cv_folds": "3", "time_column": "a", "group_column": "b"},
        ["'time_column'", "'group_column'"],
    ),
    ({"cv_folds": "3", "cv_min_success": "5"}, ["'cv_min_success'", "at most 3"]),
    ({"cv_folds": "3", "cv_fold_index": "3"}, ["'cv_fold_index'", "0 to 2"]),
    ({"algorithm": "ridge", "num_round": "5"}, ["'num_round'", "xgboost and lightgbm"]),
    ({"algorithm": "sklearn.linear_model.Ridge", "task": "binary", "num_round": ""}, ["'binary'"]),
]
AGAINST_THE_DATA = [
    ({"label": "yy"}, ["'label'", "'yy'", "did you mean 'y'", "file a.csv"]),
    ({"label": "9"}, ["'label'", "'9'", "'y', 'a', 'b'"]),
    ({"group_column": "nope"}, ["'group_column'", "'nope'"]),
    ({"group_column": "y"}, ["'y'", "'label'", "'group_column'"]),
    ({"drop_columns": "zz"}, ["'drop_columns'", "'zz'"]),
    ({"drop_columns": "y"}, ["'y'", "label"]),
    ({"drop_columns": "a,b"}, ["no feature", "drop_columns"]),
    ({"positive_label": "7"}, ["positive_label", "'7'", "'0', '1'"]),
    ({"class_weight": '{"7": 2}'}, ["'class_weight'", "'7'", "'0', '1'"]),
    ({"num_class": "3"}, ["'num_class'", "3", "2 classes"]),
    ({"task": "ranking"}, ["'group_column'"]),
    ({"cv_strategy": "time_series"}, ["'cv_strategy'", "'time_column'"]),
    ({"cv_strategy": "group"}, ["'cv_strategy'", "'group_column'"]),
    ({"cv_folds": "41"}, ["'cv_folds'", "41", "largest cv_folds that works is 20"]),
    ({"label": "a", "task": "binary"}, ["'a'", "40 classes", "task=multiclass"]),
    ({"label": "b", "task": "regression", "cv_strategy": "stratified"}, ["'cv_strategy'"]),
    (
        {"cv_strategy": "leave_one_out", "cv_aggregate": "mean", "eval_metric": "auc"},
        ["'auc'", "undefined", "fold 1", "cv_aggregate=pooled"],
    ),
]


def _told(root: Path, own: Mapping[str, str]) -> str:
    base = {"label": "y"} | ({"num_round": "2"} if "num_round" not in own else {})
    base |= {} if own.get("num_round") != "" else {"num_round": ""}
    return failure_of(root, {**base, **own}, {"train": {"a.csv": small_csv()}})


@pytest.mark.parametrize(("own", "says"), UNKNOWN + ILL_TYPED + OUT_OF_RANGE + CONTRADICTORY)
def test_a_hyperparameter_is_refused_before_any_data_is_read(
    tmp_path: Path, own: dict[str, str], says: list[str]
) -> None:
    given_names = {"label": "y", "num_round": "2"} | own
    given_names = {name: text for name, text in given_names.items() if text}

    line = failure_of(tmp_path, given_names, {"train": {"a.csv": b"\xff\xfe broken"}})

    assert line.startswith("UserError: ")
    for said in says:
        assert said in line


@pytest.mark.parametrize(("own", "says"), AGAINST_THE_DATA)
def test_a_hyperparameter_that_the_data_contradicts_is_refused(
    tmp_path: Path, own: dict[str, str], says: list[str]
) -> None:
    line = _told(tmp_path, own)

    assert line.startswith("UserError: ")
    for said in says:
        assert said in line


@pytest.mark.parametrize(
    "own",
    [
        {"algorithm": "knn", "n_neighbors": "1000", "cv_folds": "3"},
        {"objective": "reg:gamma", "label": "a", "num_round": "2"},
        {"base_score": "2", "num_round": "2"},
    ],
)
def test_what_only_the_library_can_refuse_keeps_its_reason(
    tmp_path: Path, own: dict[str, str]
) -> None:
    line = failure_of(tmp_path, {"label": "y"} | own, {"train": {"a.csv": small_csv()}})

    assert line.startswith("AlgorithmError: ")
    assert re.search(r"n_neighbors = 1000|label must be positive|base_score", line)


def test_parameters_that_exclude_each_other_are_the_users(tmp_path: Path) -> None:
    own = {"algorithm": "logistic_regression", "penalty": "l1", "solver": "lbfgs", "cv_folds": "3"}

    line = failure_of(tmp_path, {"label": "y"} | own, {"train": {"a.csv": small_csv()}})

    assert line.startswith("UserError: ")
    assert "got l1 penalty" in line


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_a_positive_label_contradicts_a_task_without_one(tmp_path: Path, task: str) -> None:
    assert "positive_label" in _told(tmp_path, {"positive_label": "1", "task": task})


def test_a_whole_number_beyond_the_librarys_is_refused_before_any_data_is_read(
    tmp_path: Path,
) -> None:
    own = {"label": "y", "max_depth": "99999999999", "num_round": "2"}

    assert "'max_depth'" in failure_of(tmp_path, own, {"train": {"a.csv": b"\xff\xfe broken"}})


@pytest.mark.parametrize("own", [{"boosting": "rf"}, {"monotone_constraints": "1"}])
def test_what_lightgbm_refuses_is_told_in_the_users_words(
    tmp_path: Path, own: dict[str, str]
) -> None:
    own = {"label": "y", "num_round": "2", "algorithm": "lightgbm"} | own

    line = failure_of(tmp_path, own, {"train": {"a.csv": small_csv()}})

    assert "config->" not in line
    assert ".hpp" not in line
    assert ".cpp" not in line


@pytest.mark.parametrize("name", ["label", "group_column", "drop_columns"])
def test_a_long_value_leaves_room_for_what_is_allowed(tmp_path: Path, name: str) -> None:
    assert "known: 'y', 'a', 'b'" in _told(tmp_path, {name: "q" * 2000})
