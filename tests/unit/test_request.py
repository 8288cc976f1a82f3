"""Hyperparameters and environment become one checked request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossfold.errors import UserError
from crossfold.request.jobinfo import hyperparameters_of_jobinfo
from crossfold.request.names import OWN
from crossfold.request.objective import metrics_for
from crossfold.request.reading import read_request


def test_defaults_are_the_interfaces() -> None:
    request = read_request({}, {})

    assert request.algorithm == "xgboost"
    assert request.task == "auto"
    assert request.metrics == ()
    assert (request.n_rounds, request.early_stopping_rounds, request.seed) == (100, None, 0)
    assert request.early_stopping_fraction == 0.1
    assert not request.standardize
    assert request.driver.final_model == "refit"
    assert request.driver.aggregate is None
    assert request.driver.max_jobs == 50
    assert request.driver.retries == 1
    assert request.params == {}
    assert request.notes == ()


@pytest.mark.parametrize(
    ("given_", "environ", "algorithm"),
    [
        ({"algorithm": "lightgbm"}, {"ALGORITHM_CHOICE": "xgboost"}, "lightgbm"),
        ({"algorithm": '"LightGBM"'}, {}, "lightgbm"),
        ({}, {"ALGORITHM_CHOICE": "RandomForest"}, "random_forest"),
        ({"c": "1"}, {}, "svm"),
        ({"kernel": "rbf"}, {}, "svm"),
        ({"max_leaf_nodes": "5"}, {}, "decision_tree"),
        ({"max_leaf_nodes": "5"}, {"ALGORITHM_CHOICE": "RandomForest"}, "random_forest"),
        ({"gamma": "1"}, {}, "xgboost"),
        ({"algorithm": "sklearn.svm.LinearSVC", "c": "2"}, {}, "sklearn.svm.LinearSVC"),
    ],
)
def test_algorithm_is_chosen_in_order(
    given_: dict[str, str], environ: dict[str, str], algorithm: str
) -> None:
    assert read_request(given_, environ).algorithm == algorithm


@pytest.mark.parametrize("name", ["num_round", "num_boost_round", "n_estimators", "num_iterations"])
@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
def test_rounds_have_many_names(algorithm: str, name: str) -> None:
    assert read_request({"algorithm": algorithm, name: "7"}, {}).n_rounds == 7


def test_contradicting_names_of_rounds_are_refused() -> None:
    with pytest.raises(UserError, match="'num_round' and 'n_estimators' are the same"):
        read_request({"num_round": "7", "n_estimators": "8"}, {})


def test_sagemaker_names_reach_the_library_under_its_own() -> None:
    request = read_request(
        {"learning_rate": '"0.1"', "reg_lambda": "2", "min_split_loss": "1", "random_state": "3",
         "nthread": "2", "max_depth": "5.0"}, {},
    )  # fmt: skip

    assert request.params == {"eta": 0.1, "lambda": 2.0, "gamma": 1.0, "max_depth": 5}
    assert request.seed == 3
    assert request.n_threads == 2


@pytest.mark.parametrize("name", ["n_jobs", "nthread", "num_threads"])
def test_all_threads_is_no_limit(name: str) -> None:
    assert read_request({name: "-1"}, {}).n_threads is None
    assert read_request({name: "0"}, {}).n_threads is None


def test_zero_early_stopping_rounds_are_off() -> None:
    assert read_request({"early_stopping_rounds": "0"}, {}).early_stopping_rounds is None
    assert read_request({"early_stopping_rounds": "5"}, {}).early_stopping_rounds == 5


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match="'max_dept' .*nearest: max_depth"):
        read_request({"max_dept": "3"}, {})
    with pytest.raises(UserError, match="'cv_fold' .*nearest: cv_folds"):
        read_request({"cv_fold": "3"}, {})


def test_foreign_names_are_ignored() -> None:
    request = read_request(
        {"sagemaker_region": '"eu"', "sagemaker_container_log_level": "20", "_anything": "1"}, {}
    )

    assert request.params == {}
    assert request.notes == ("hyperparameters ignored: _anything",)


@pytest.mark.parametrize(
    ("given_", "task"),
    [
        ({"objective": "binary:logistic"}, "binary"),
        ({"objective": "multi:softmax", "num_class": "3"}, "multiclass"),
        ({"objective": "rank:pairwise"}, "ranking"),
        ({"objective": "reg:linear"}, "regression"),
        ({"algorithm": "lightgbm", "app": "multiclass"}, "multiclass"),
        ({"algorithm": "ridge"}, "auto"),
        ({"algorithm": "lasso"}, "regression"),
        ({"algorithm": "logistic_regression"}, "auto"),
        ({"num_class": "3"}, "multiclass"),
        ({"task": "binary"}, "binary"),
    ],
)
def test_objective_and_estimator_decide_the_task(given_: dict[str, str], task: str) -> None:
    assert read_request(given_, {}).task == task


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"objective": "binary:logistic", "task": "regression"}, "'task' .* and 'objective'"),
        ({"algorithm": "svm", "task": "ranking"}, "'task' is 'ranking', but algorithm 'svm'"),
        ({"algorithm": "lasso", "task": "binary"}, "can do regression only"),
        ({"num_class": "3", "objective": "binary:logistic"}, "'num_class' is 3"),
        ({"cv_fold_index": "5", "cv_folds": "5"}, "expected an integer from 0 to 4"),
        ({"cv_folds": "5", "cv_min_success": "6"}, "expected at most 5"),
        ({"cv_strategy": "kfold", "cv_min_success": "6"}, "expected at most 5"),
        ({"early_stopping_fraction": "0.6"}, "above 0 and at most 0.5"),
        ({"early_stopping_fraction": "0"}, "above 0 and at most 0.5"),
        ({"cv_strategy": "leave_one_out", "cv_folds": "5"}, "drop 'cv_folds'"),
        ({"cv_strategy": "kfold", "cv_gap": "1"}, "'cv_gap' is for cv_strategy=time_series"),
        ({"cv_strategy": "kfold", "fold_column": "f"}, "'fold_column' .* contradict"),
        ({"cv_folds": "3", "time_column": "t", "group_column": "g"}, "are both given"),
        ({"csv_weights": "1", "weight_column": "w"}, "both name the weights"),
        ({"algorithm": "lasso", "class_weight": "balanced"}, "has no classes"),
        ({"eval_metric": "auk"}, "'eval_metric'.*'auk'"),
        ({"eval_metric": "auc,auc"}, "'eval_metric'.*'auc' is named twice"),
        ({"algorithm": "lightgbm", "boosting": "rf"}, "'boosting' is 'rf'.*'bagging_freq'"),
        ({"objective": "reg:squarederror", "eval_metric": "auc"}, "'auc'"),
        ({"algorithm": "svm", "early_stopping_rounds": "5"}, "is not accepted"),
        ({"cv_strategy": "often"}, "expected one of 'auto', 'kfold'"),
        ({"seed": "-1"}, "expected an integer from 0"),
        ({"class_weight": '{"a": -1}'}, "'class_weight'"),
    ],
)
def test_contradictions_are_refused(given_: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_request(given_, {})


def test_repeats_multiply_the_folds_that_exist() -> None:
    request = read_request({"cv_folds": "5", "cv_repeats": "2", "cv_fold_index": "9"}, {})

    assert request.driver.fold_index == 9


@pytest.mark.parametrize("text", ["validation:auc", '"validation:auc"', "train:auc", "test:auc"])
def test_tuners_objective_becomes_the_first_metric(text: str) -> None:
    request = read_request({"_tuning_objective_metric": text, "eval_metric": "logloss,auc"}, {})

    assert request.metrics == ("auc", "logloss")
    assert request.tuning_metric == "auc"
    assert not request.alias_lines


@pytest.mark.parametrize("text", ["test:score", "validation:score", "average test loss", "x", '""'])
def test_other_objectives_change_nothing_and_never_fail(text: str) -> None:
    request = read_request({"_tuning_objective_metric": text, "eval_metric": "auc"}, {})

    assert request.metrics == ("auc",)
    assert request.tuning_metric is None


@pytest.mark.parametrize(
    "text",
    ["test:score", "validation:score", "training:score", "final-score", '"validation:accuracy"'],
)
def test_published_objectives_ask_for_their_lines(text: str) -> None:
    assert read_request({"_tuning_objective_metric": text}, {}).alias_lines
    off = {"_tuning_objective_metric": text, "cv_alias_lines": "false"}
    assert not read_request(off, {}).alias_lines


def test_tuners_objective_of_another_task_is_left_out_when_the_task_is_known() -> None:
    request = read_request({"_tuning_objective_metric": "validation:accuracy"}, {})

    assert metrics_for(request, "binary") == ("accuracy",)
    assert metrics_for(request, "regression") == ()


def test_columns_and_lists_are_read() -> None:
    data = read_request(
        {"label": '"y"', "header": "True", "drop_columns": '["a,b", "c"]', "id_column": "0"}, {}
    ).data

    assert (data.label, data.header, data.id_column) == ("y", "true", "0")
    assert data.drop_columns == ("a,b", "c")
    assert read_request({"csv_weights": "1"}, {}).data.weight_column == "1"


def test_published_driver_job_is_read_whole() -> None:
    request = read_request(
        {"c": "0.5", "gamma": "0.0005", "kernel": '"rbf"', "k": "3", "train_src": "s3://b/train",
         "test_src": "s3://b/test", "instance_type": "ml.c4.xlarge", "region": "us-east-2",
         "sagemaker_estimator_class_name": '"Estimator"',
         "_tuning_objective_metric": "test:score"}, {},
    )  # fmt: skip

    assert request.params == {"C": 0.5, "gamma": 0.0005, "kernel": "rbf"}
    assert request.folds.n_folds == 3
    assert request.driver.train_src == "s3://b/train"
    assert request.driver.region == "us-east-2"
    assert request.driver.resources.instance_type == "ml.c4.xlarge"


def test_class_weight_is_balanced_or_a_map() -> None:
    assert read_request({"class_weight": "balanced"}, {}).class_weight == "balanced"
    assert read_request({"class_weight": '{"yes": 2, "no": 1}'}, {}).class_weight == {
        "yes": 2.0, "no": 1.0
    }  # fmt: skip
    assert read_request({"algorithm": "svm", "class_weight": "balanced"}, {}).params == {}


def test_no_final_model_may_be_written_as_python_writes_none() -> None:
    for text in ("none", "None", '"none"'):
        assert read_request({"cv_final_model": text}, {}).driver.final_model == "none"


def test_fingerprint_ignores_how_folds_are_run() -> None:
    base = {"cv_folds": "5", "eta": "0.1"}
    same = {"cv_launcher": "process", "cv_retries": "3", "cv_emit": "running", "nthread": "1",
            "cv_final_model": "none", "cv_max_parallel": "2", "cv_fold_index": "3"}  # fmt: skip
    fingerprint = read_request(base, {}).canonical()

    for name, text in same.items():
        assert read_request({**base, name: text}, {}).canonical() == fingerprint, name
    json.dumps(fingerprint)


@pytest.mark.parametrize(
    ("name", "text"),
    [("eta", "0.2"), ("seed", "1"), ("cv_seed", "1"), ("cv_folds", "4"), ("num_round", "9"),
     ("label", "y"), ("standardize", "true"), ("eval_metric", "rmse"), ("task", "regression"),
     ("early_stopping_rounds", "3"), ("class_weight", "balanced"), ("algorithm", "lightgbm"),
     ("cv_validation", "pool"), ("monotone_constraints", "(1,0)")],
)  # fmt: skip
def test_fingerprint_changes_with_whatever_changes_a_fold(name: str, text: str) -> None:
    base = {"cv_folds": "5", "learning_rate": "0.1"}
    changed = {**base, name: text}
    if name == "eta":
        del changed["learning_rate"]

    assert read_request(changed, {}).canonical() != read_request(base, {}).canonical()


def test_same_request_in_other_words_has_the_same_fingerprint() -> None:
    one = read_request({"eta": "0.1", "max_depth": "5"}, {}).canonical()
    other = read_request({"max_depth": '"5.0"', "learning_rate": "1e-1"}, {}).canonical()

    assert one == other


@given(
    st.dictionaries(
        st.one_of(st.sampled_from(sorted(OWN.names)), st.text(max_size=10)),
        st.one_of(
            st.text(max_size=20),
            st.sampled_from(["1", "0", "true", "None", "0.1", "auto", "a,b", "[1]", '"x"', "{}"]),
        ),
        max_size=6,
    )
)
@settings(max_examples=100, deadline=None)
def test_any_hyperparameters_give_a_request_or_one_line(raw: dict[str, str]) -> None:
    raw.pop("algorithm", None)
    try:
        read_request(raw, {})
    except UserError as error:
        assert "\n" not in str(error)


def test_jobinfo_gives_the_best_trials_hyperparameters(tmp_path: Path) -> None:
    hyperparams = {"c": "0.5", "kernel": "rbf", "k": "5", "train_src": "s3://b", "region": "r",
                   "instance_type": "i", "_tuning_objective_metric": "test:score"}  # fmt: skip
    content = {"name": "t", "best_training_job": "j", "hyperparams": hyperparams}
    (tmp_path / "jobinfo.json").write_text(json.dumps(content), encoding="utf-8")

    assert hyperparameters_of_jobinfo(tmp_path) == {"c": "0.5", "kernel": "rbf"}
    assert hyperparameters_of_jobinfo(tmp_path / "jobinfo.json") == {"c": "0.5", "kernel": "rbf"}


@pytest.mark.parametrize(
    "content", ["{}", "[]", '{"hyperparams": 3}', "x", '{"hyperparams": {"a": []}}']
)
def test_broken_jobinfo_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "jobinfo.json").write_text(content, encoding="utf-8")

    with pytest.raises(UserError, match="jobinfo"):
        hyperparameters_of_jobinfo(tmp_path)


def test_missing_jobinfo_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no file jobinfo.json"):
        hyperparameters_of_jobinfo(tmp_path)
