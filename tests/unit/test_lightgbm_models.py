from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from crossfold.algorithms.registry import algorithm_named
from crossfold.errors import AlgorithmError, UserError
from crossfold.metrics.metric import metric_named
from crossfold.metrics.prediction import Prediction
from tests.unit.model_examples import (
    COLUMNS,
    KIND,
    Rounds,
    fitted,
    given,
    make_rows,
    make_spec,
    scores_over_folds,
)


def _peer(estimator: Any) -> Pipeline:
    """Build a user's own pipeline: categories encoded in the fold, order of columns kept."""
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan
    )
    columns = ColumnTransformer(
        [("a", "passthrough", [0, 1]), ("kind", encoder, [KIND]), ("b", "passthrough", [3])]
    )
    columns.set_output(transform="default")
    return Pipeline([("columns", columns), ("model", estimator)])


def _options() -> dict[str, Any]:
    return {"n_estimators": 12, "random_state": 3, "n_jobs": 1, "verbosity": -1}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_equal_cross_validate_of_the_wrapper(n_classes: int, *, weighted: bool) -> None:
    rows = make_rows(n_classes)
    task: Any = "binary" if n_classes == 2 else "multiclass"
    splits = list(
        StratifiedKFold(5, shuffle=True, random_state=1).split(rows.features, rows.target)
    )
    params: dict[str, Any] = {"model__categorical_feature": [KIND]}
    if weighted:
        params["model__sample_weight"] = rows.weight
    bagging: dict[str, Any] = {"subsample": 0.7, "subsample_freq": 1}
    metric = metric_named("logloss" if n_classes == 2 else "mlogloss", task)

    ours = scores_over_folds(
        make_spec("lightgbm", task, n_classes, params={"bagging_fraction": 0.7, "bagging_freq": 1}),
        rows,
        splits,
        metric,
        weighted=weighted,
    )
    theirs = cross_validate(
        _peer(lightgbm.LGBMClassifier(**_options(), **bagging)),
        rows.features,
        rows.target.astype(int),
        cv=splits,
        scoring="neg_log_loss",
        params=params,
    )

    assert_allclose(ours, -theirs["test_score"], rtol=0, atol=1e-9)


def test_scores_equal_cross_validate_of_the_regressor_with_groups() -> None:
    rows = make_rows(0)
    splits = list(GroupKFold(4).split(rows.features, rows.target, rows.group))

    ours = scores_over_folds(
        make_spec("lightgbm", "regression", 0), rows, splits, metric_named("rmse", "regression")
    )
    theirs = cross_validate(
        _peer(lightgbm.LGBMRegressor(**_options())),
        rows.features,
        rows.target,
        groups=rows.group,
        cv=GroupKFold(4),
        scoring="neg_root_mean_squared_error",
        params={"model__sample_weight": rows.weight, "model__categorical_feature": [KIND]},
    )

    assert_allclose(ours, -theirs["test_score"], rtol=0, atol=1e-9)


def test_ranking_equals_the_wrapper() -> None:
    rows = make_rows(4)
    train = rows.examples()
    _, sizes = np.unique(rows.group, return_counts=True)

    model = fitted(make_spec("lightgbm", "ranking", 0), train)
    peer = lightgbm.LGBMRanker(**_options()).fit(
        rows.features,
        rows.target,
        group=sizes,
        sample_weight=rows.weight,
        categorical_feature=[KIND],
    )

    assert_allclose(
        given(model.predict(rows.features).values),
        peer.booster_.predict(rows.features),
        rtol=0,
        atol=1e-9,
    )


def test_ranking_without_queries_is_refused() -> None:
    rows = make_rows(4)
    train = type(rows.examples())(rows.features, rows.target)

    with pytest.raises(UserError, match="group_column"):
        fitted(make_spec("lightgbm", "ranking", 0), train)


def test_model_does_not_depend_on_the_number_of_threads() -> None:
    train = make_rows(0, n_rows=20_000).examples()

    one = fitted(make_spec("lightgbm", "regression", 0), train)
    several = fitted(make_spec("lightgbm", "regression", 0, n_threads=2), train)

    assert_array_equal(one.predict(train.features).values, several.predict(train.features).values)


def test_objective_of_another_task_is_refused() -> None:
    spec = make_spec("lightgbm", "multiclass", 3, params={"objective": "binary"})

    with pytest.raises(UserError, match="'binary'.*multiclassova"):
        fitted(spec, make_rows(3).examples())


@pytest.mark.parametrize("objective", ["poisson", "quantile", "huber", "mape", "cross_entropy"])
def test_objectives_for_values_give_the_values_of_the_library(objective: str) -> None:
    rows = make_rows(0)
    target = 1 / (1 + np.exp(-rows.target))
    train = type(rows.examples())(rows.features, target)
    spec = make_spec("lightgbm", "regression", 0, params={"objective": objective})

    values = fitted(spec, train).predict(rows.features).values

    data = lightgbm.Dataset(rows.features, target, categorical_feature=[KIND])
    params = {"objective": objective, "seed": 3, "num_threads": 1, "verbosity": -1}
    peer = lightgbm.train(params, data, 12)
    assert_allclose(given(values), peer.predict(rows.features), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("task", "n_classes", "names"),
    [
        ("binary", 2, ("logloss", "auc")),
        ("multiclass", 3, ("mlogloss",)),
        ("regression", 0, ("rmse", "mse", "mae")),
        ("binary", 2, ("logloss", "f1")),
        ("multiclass", 3, ("merror", "mlogloss")),
    ],
)
def test_scores_of_a_round_are_ours(task: Any, n_classes: int, names: Any) -> None:
    rows = make_rows(n_classes)
    train, held_out = rows.examples(slice(0, 300)), rows.examples(slice(300, None))
    metrics = tuple(metric_named(name, task) for name in names)
    watcher = Rounds()

    model = fitted(
        make_spec("lightgbm", task, n_classes, metrics=metrics),
        train,
        validation=held_out,
        evaluate_train=True,
        watcher=watcher,
    )

    n_done, scores = watcher.heard[-1]
    assert n_done == 12
    for name, part in (("train", train), ("validation", held_out)):
        prediction = model.predict(part.features)
        expected = {m.name: m(part.target, prediction, part.weight) for m in metrics}
        # LightGBM keeps labels in single precision.
        assert scores[name] == pytest.approx(expected, rel=1e-7)


def test_early_stopping_keeps_the_best_round_of_the_library() -> None:
    rows = make_rows(2, n_rows=300)
    train, held_out = rows.examples(slice(0, 200)), rows.examples(slice(200, None))
    options = {**_options(), "n_estimators": 200, "learning_rate": 0.3}
    peer = lightgbm.LGBMClassifier(**options).fit(
        train.features,
        train.target.astype(int),
        sample_weight=train.weight,
        eval_X=(held_out.features,),
        eval_y=(held_out.target.astype(int),),
        eval_sample_weight=[held_out.weight],
        categorical_feature=[KIND],
        callbacks=[lightgbm.early_stopping(5, verbose=False)],
    )
    spec = make_spec(
        "lightgbm",
        "binary",
        2,
        num_round=200,
        early_stopping_rounds=5,
        params={"learning_rate": 0.3},
        metrics=(metric_named("logloss", "binary"),),
    )
    watcher = Rounds()

    model = fitted(spec, train, validation=held_out, watcher=watcher)

    assert model.n_rounds == peer.best_iteration_
    assert len(watcher.heard) == peer.best_iteration_ + 5
    ours = _probabilities(model.predict(held_out.features))
    assert_allclose(ours, peer.predict_proba(held_out.features), rtol=0, atol=1e-9)


def test_saved_model_holds_the_best_rounds_only(tmp_path: Path) -> None:
    rows = make_rows(2, n_rows=300)
    train, held_out = rows.examples(slice(0, 200)), rows.examples(slice(200, None))
    spec = make_spec(
        "lightgbm",
        "binary",
        2,
        num_round=200,
        early_stopping_rounds=5,
        params={"learning_rate": 0.3},
        metrics=(metric_named("logloss", "binary"),),
    )
    model = fitted(spec, train, validation=held_out)

    files = model.save(tmp_path)
    loaded = algorithm_named("lightgbm").load(
        tmp_path, {"task": "binary", "n_classes": 2, "files": files}, COLUMNS
    )

    assert loaded.n_rounds == model.n_rounds
    assert model.n_rounds is not None
    assert model.n_rounds < 200
    assert_array_equal(
        _probabilities(loaded.predict(rows.features)), _probabilities(model.predict(rows.features))
    )


def test_early_stopping_with_dart_keeps_the_trees_of_the_best_round() -> None:
    rows = make_rows(0, n_rows=300)
    train, held_out = rows.examples(slice(0, 200)), rows.examples(slice(200, None))
    metric = metric_named("rmse", "regression")
    spec = make_spec(
        "lightgbm",
        "regression",
        0,
        num_round=80,
        early_stopping_rounds=5,
        metrics=(metric,),
        params={"boosting": "dart", "drop_rate": 0.5, "learning_rate": 0.5},
    )
    watcher = Rounds()

    model = fitted(spec, train, validation=held_out, watcher=watcher)

    best = min(heard["validation"]["rmse"] for _, heard in watcher.heard)
    score = metric(held_out.target, model.predict(held_out.features), held_out.weight)
    assert score == pytest.approx(best, rel=1e-7)


def test_rounds_without_a_split_do_not_end_the_fit() -> None:
    rows = make_rows(2, n_rows=30)
    train = rows.examples()

    model = fitted(make_spec("lightgbm", "binary", 2), train)
    peer = lightgbm.LGBMClassifier(**_options()).fit(
        rows.features,
        rows.target.astype(int),
        sample_weight=rows.weight,
        categorical_feature=[KIND],
    )

    assert_allclose(
        _probabilities(model.predict(rows.features)), peer.predict_proba(rows.features), atol=1e-9
    )


def test_watcher_ends_the_fit_and_can_save_the_model_so_far(tmp_path: Path) -> None:
    class Saver(Rounds):
        def after_round(self, n_done: int, scores: Any, model_so_far: Any) -> bool:
            if n_done == 4:
                model_so_far.save(tmp_path)
            return super().after_round(n_done, scores, model_so_far)

    model = fitted(
        make_spec("lightgbm", "binary", 2), make_rows(2).examples(), watcher=Saver(stop_after=5)
    )
    saved = algorithm_named("lightgbm").load(tmp_path, {"task": "binary"}, COLUMNS)

    assert model.n_rounds == 5
    assert saved.n_rounds == 4


def test_balanced_class_weights_equal_the_wrapper() -> None:
    rows = make_rows(3)
    metric = metric_named("mlogloss", "multiclass")
    watcher = Rounds()

    model = fitted(
        make_spec("lightgbm", "multiclass", 3, class_weight="balanced", metrics=(metric,)),
        rows.examples(),
        evaluate_train=True,
        watcher=watcher,
    )
    peer = lightgbm.LGBMClassifier(**_options(), class_weight="balanced").fit(
        rows.features,
        rows.target.astype(int),
        sample_weight=rows.weight,
        categorical_feature=[KIND],
    )

    prediction = model.predict(rows.features)
    assert_allclose(
        _probabilities(prediction), peer.predict_proba(rows.features), rtol=0, atol=1e-9
    )
    assert watcher.heard[-1][1]["train"]["mlogloss"] == pytest.approx(
        metric(rows.target, prediction, rows.weight), abs=1e-12
    )


def test_rows_outside_the_fit_leave_the_model_as_it_is() -> None:
    """The table's codes shift when held-out rows bring categories; the model must not notice."""
    rows = make_rows(2)
    shifted = rows.features.copy()
    # The same categories under other codes: held-out rows brought five more before and between.
    new_code = np.array([1, 2, 5, 6, 9])
    has_kind = ~np.isnan(shifted[:, KIND])
    shifted[has_kind, KIND] = new_code[shifted[has_kind, KIND].astype(int)]
    wider = tuple(
        type(column)(column.name, column.kind, tuple("abcdefghij") if column.categories else ())
        for column in COLUMNS
    )
    train = rows.examples()
    spec = make_spec("lightgbm", "binary", 2)

    first = fitted(spec, train)
    second = algorithm_named("lightgbm").fit(
        spec, wider, type(train)(shifted, train.target, train.weight)
    )

    texts = [model.booster.model_to_string() for model in (first, second)]  # type: ignore[attr-defined]
    assert texts[0] == texts[1]


def test_unseen_category_is_missing() -> None:
    rows = make_rows(2)
    known = rows.features[:, KIND] != 3
    model = fitted(make_spec("lightgbm", "binary", 2), rows.examples(known))
    unseen = rows.features[~known]
    missing = unseen.copy()
    missing[:, KIND] = np.nan

    assert_array_equal(
        _probabilities(model.predict(unseen)), _probabilities(model.predict(missing))
    )


@pytest.mark.parametrize(("task", "n_classes"), [("binary", 2), ("multiclass", 3)])
def test_contributions_add_up_to_the_raw_score(task: Any, n_classes: int) -> None:
    train = make_rows(n_classes).examples()
    model = fitted(make_spec("lightgbm", task, n_classes), train)

    values = model.contributions(train.features)

    raw = model.booster.predict(train.features, raw_score=True)  # type: ignore[attr-defined]
    assert values is not None
    assert values.shape == ((400, 5) if n_classes == 2 else (400, 3, 5))
    assert_allclose(values.sum(axis=-1), raw, atol=1e-9)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    fitted(make_spec("lightgbm", "binary", 2), make_rows(2, n_rows=30).examples())

    printed = capfd.readouterr()
    assert printed.out + printed.err == ""


@pytest.mark.parametrize("items", [(1, 0), (1, 0, 0, 0, 0)])
def test_constraints_that_do_not_fit_the_features_are_the_users(items: tuple[int, ...]) -> None:
    spec = make_spec("lightgbm", "binary", 2, params={"monotone_constraints": items})

    told = f"'monotone_constraints' is a list of length {len(items)}, .* features is 4"
    with pytest.raises(UserError, match=told):
        fitted(spec, make_rows(2).examples())


def test_failure_of_the_library_is_one_line() -> None:
    spec = make_spec("lightgbm", "binary", 2, params={"num_leaves": 1})

    with pytest.raises(AlgorithmError) as failure:
        fitted(spec, make_rows(2).examples())

    assert str(failure.value).startswith("lightgbm failed to fit: ")
    assert "num_leaves" in str(failure.value)
    assert "\n" not in str(failure.value)


def test_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("not a model", encoding="utf-8")

    with pytest.raises(UserError, match="model.txt"):
        algorithm_named("lightgbm").load(tmp_path, {"task": "binary", "n_classes": 2}, COLUMNS)


def _probabilities(prediction: Prediction) -> Any:
    assert prediction.probabilities is not None
    return prediction.probabilities
