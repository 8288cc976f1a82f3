from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.metrics import make_scorer, roc_auc_score, root_mean_squared_error
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

TYPES = ["q", "q", "c", "q"]


def _peer(estimator: Any) -> Pipeline:
    """Build a user's own pipeline: categories encoded in the fold, order of columns kept."""
    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        dtype=np.float32,
    )
    columns = ColumnTransformer(
        [("a", "passthrough", [0, 1]), ("kind", encoder, [KIND]), ("b", "passthrough", [3])]
    )
    return Pipeline([("columns", columns), ("model", estimator)])


def _classifier(**options: Any) -> Any:
    return xgboost.XGBClassifier(
        n_estimators=12,
        random_state=3,
        n_jobs=1,
        feature_types=TYPES,
        enable_categorical=True,
        **options,
    )


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_equal_cross_validate_of_the_wrapper(n_classes: int, *, weighted: bool) -> None:
    rows = make_rows(n_classes)
    rows.features[0, KIND] = np.nan
    task: Any = "binary" if n_classes == 2 else "multiclass"
    splits = list(
        StratifiedKFold(5, shuffle=True, random_state=1).split(rows.features, rows.target)
    )
    params = {"model__sample_weight": rows.weight} if weighted else None

    ours = scores_over_folds(
        make_spec("xgboost", task, n_classes, params={"subsample": 0.7, "max_depth": 4}),
        rows,
        splits,
        lambda y, p: _auc(y, _probabilities(p)),
        weighted=weighted,
    )
    theirs = cross_validate(
        _peer(_classifier(subsample=0.7, max_depth=4)),
        rows.features.astype(np.float32),
        rows.target.astype(int),
        cv=splits,
        scoring=make_scorer(_auc, response_method="predict_proba"),
        params=params,
    )

    assert_allclose(ours, theirs["test_score"], rtol=0, atol=1e-9)


def test_scores_equal_cross_validate_of_the_regressor_with_groups() -> None:
    rows = make_rows(0)
    splits = list(GroupKFold(4).split(rows.features, rows.target, rows.group))
    peer = xgboost.XGBRegressor(
        n_estimators=12, random_state=3, n_jobs=1, feature_types=TYPES, enable_categorical=True
    )

    ours = scores_over_folds(
        make_spec("xgboost", "regression", 0),
        rows,
        splits,
        lambda y, p: root_mean_squared_error(y, p.values),
    )
    theirs = cross_validate(
        _peer(peer),
        rows.features.astype(np.float32),
        rows.target,
        groups=rows.group,
        cv=GroupKFold(4),
        scoring="neg_root_mean_squared_error",
        params={"model__sample_weight": rows.weight},
    )

    assert_allclose(ours, -theirs["test_score"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "params", [{"tree_method": "exact"}, {"tree_method": "approx"}, {"booster": "gblinear"}]
)
def test_methods_without_bins_equal_the_wrapper(params: dict[str, Any]) -> None:
    rows = make_rows(2)
    numbers = np.nan_to_num(rows.features[:, [0, 1, 3]]).astype(np.float32)
    columns = tuple(column for column in COLUMNS if column.kind == "number")
    examples = rows.examples()
    train = type(examples)(numbers, examples.target, examples.weight)

    model = algorithm_named("xgboost").fit(
        make_spec("xgboost", "binary", 2, params=params), columns, train
    )
    peer = xgboost.XGBClassifier(n_estimators=12, random_state=3, n_jobs=1, **params)
    peer.fit(numbers, rows.target, sample_weight=rows.weight)

    # Linear boosting updates shared weights from several places; it is exact to float32 only.
    tolerance = 1e-6 if "booster" in params else 1e-9
    ours = _probabilities(model.predict(numbers))[:, 1]
    assert_allclose(ours, peer.predict_proba(numbers)[:, 1], rtol=0, atol=tolerance)


def test_ranking_equals_the_wrapper() -> None:
    rows = make_rows(4)
    weight_of_query = np.random.default_rng(0).uniform(1, 3, rows.group.max() + 1)
    weights = weight_of_query[rows.group]
    examples = rows.examples(dtype=np.float32)
    train = type(examples)(examples.features, examples.target, weights, examples.group)
    peer = xgboost.XGBRanker(
        n_estimators=12, random_state=3, n_jobs=1, feature_types=TYPES, enable_categorical=True
    )

    model = fitted(make_spec("xgboost", "ranking", 0), train)
    present = np.unique(rows.group)
    peer.fit(train.features, train.target, qid=rows.group, sample_weight=weight_of_query[present])

    assert_allclose(
        given(model.predict(train.features).values), peer.predict(train.features), atol=1e-9
    )


def test_weights_that_differ_within_a_query_are_refused() -> None:
    rows = make_rows(4)

    with pytest.raises(UserError, match="same weight"):
        fitted(make_spec("xgboost", "ranking", 0), rows.examples())


def test_softmax_has_the_probabilities_of_softprob() -> None:
    train = make_rows(3).examples(dtype=np.float32)

    soft = fitted(
        make_spec("xgboost", "multiclass", 3, params={"objective": "multi:softmax"}), train
    )
    prob = fitted(make_spec("xgboost", "multiclass", 3), train)

    assert_allclose(
        _probabilities(soft.predict(train.features)),
        _probabilities(prob.predict(train.features)),
        atol=1e-6,
    )


def test_logitraw_has_the_probabilities_of_logistic() -> None:
    train = make_rows(2).examples(dtype=np.float32)

    # The start is a margin for the one and a probability for the other: here the same.
    of_raw = {"objective": "binary:logitraw", "base_score": 0.0}
    raw = fitted(make_spec("xgboost", "binary", 2, params=of_raw), train)
    logistic = fitted(make_spec("xgboost", "binary", 2, params={"base_score": 0.5}), train)

    assert_allclose(
        _probabilities(raw.predict(train.features)),
        _probabilities(logistic.predict(train.features)),
        atol=1e-6,
    )


def test_hinge_has_labels_and_margins_and_no_probabilities() -> None:
    train = make_rows(2).examples(dtype=np.float32)
    spec = make_spec("xgboost", "binary", 2, params={"objective": "binary:hinge"})

    model = fitted(spec, train)
    prediction = model.predict(train.features)

    matrix = xgboost.DMatrix(train.features, feature_types=TYPES, enable_categorical=True)
    assert prediction.probabilities is None
    assert_array_equal(prediction.labels, model.booster.predict(matrix))  # type: ignore[attr-defined]
    assert np.mean(prediction.labels == train.target) > 0.7
    assert prediction.scores is not None


@pytest.mark.parametrize(
    "objective", ["count:poisson", "reg:tweedie", "survival:aft", "survival:cox", "reg:gamma"]
)
def test_objectives_for_values_give_the_values_of_the_library(objective: str) -> None:
    rows = make_rows(0)
    examples = rows.examples(dtype=np.float32)
    train = type(examples)(examples.features, np.abs(examples.target) + 0.5)
    spec = make_spec("xgboost", "regression", 0, params={"objective": objective})

    values = fitted(spec, train).predict(train.features).values

    matrix = xgboost.QuantileDMatrix(
        train.features, train.target, feature_types=TYPES, enable_categorical=True
    )
    if objective == "survival:aft":
        matrix.set_info(label_lower_bound=train.target, label_upper_bound=train.target)
    peer = xgboost.train({"objective": objective, "seed": 3, "nthread": 1}, matrix, 12)
    assert_allclose(given(values), peer.predict(matrix), rtol=0, atol=1e-9)


def test_objective_of_another_task_is_refused() -> None:
    spec = make_spec("xgboost", "binary", 2, params={"objective": "reg:squarederror"})

    with pytest.raises(UserError, match="'reg:squarederror'.*binary:logistic"):
        fitted(spec, make_rows(2).examples())


@pytest.mark.parametrize(
    ("task", "n_classes", "names"),
    [
        ("binary", 2, ("logloss", "auc", "error")),
        ("multiclass", 3, ("mlogloss", "merror")),
        ("regression", 0, ("rmse", "mae")),
    ],
)
def test_native_scores_of_a_round_are_ours(task: Any, n_classes: int, names: Any) -> None:
    rows = make_rows(n_classes)
    train = rows.examples(slice(0, 300), dtype=np.float32)
    held_out = rows.examples(slice(300, None), dtype=np.float32)
    metrics = tuple(metric_named(name, task) for name in names)
    watcher = Rounds()

    model = fitted(
        make_spec("xgboost", task, n_classes, metrics=metrics),
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
        assert scores[name] == pytest.approx(expected, abs=2e-6)


def test_metrics_that_the_library_has_not_are_scored_each_round() -> None:
    rows = make_rows(2)
    train = rows.examples(slice(0, 300), dtype=np.float32)
    held_out = rows.examples(slice(300, None), dtype=np.float32)
    metrics = (metric_named("f1", "binary"), metric_named("logloss", "binary"))
    watcher = Rounds()

    model = fitted(
        make_spec("xgboost", "binary", 2, metrics=metrics),
        train,
        validation=held_out,
        watcher=watcher,
    )

    prediction = model.predict(held_out.features)
    expected = metrics[0](held_out.target, prediction, held_out.weight)
    assert watcher.heard[-1][1]["validation"]["f1"] == pytest.approx(expected, abs=1e-12)
    assert set(watcher.heard[-1][1]) == {"validation"}


def test_early_stopping_keeps_the_best_round_of_the_library() -> None:
    rows = make_rows(2, n_rows=300)
    train = rows.examples(slice(0, 200), dtype=np.float32)
    held_out = rows.examples(slice(200, None), dtype=np.float32)
    peer = _classifier(learning_rate=0.5, early_stopping_rounds=5, eval_metric="logloss")
    peer.set_params(n_estimators=200)
    peer.fit(
        train.features,
        train.target,
        sample_weight=train.weight,
        eval_set=[(held_out.features, held_out.target)],
        sample_weight_eval_set=[held_out.weight],
        verbose=False,
    )
    spec = make_spec(
        "xgboost",
        "binary",
        2,
        num_round=200,
        early_stopping_rounds=5,
        params={"learning_rate": 0.5},
        metrics=(metric_named("logloss", "binary"),),
    )

    watcher = Rounds()
    model = fitted(spec, train, validation=held_out, watcher=watcher)

    assert model.n_rounds == peer.best_iteration + 1
    assert len(watcher.heard) == given(model.n_rounds) + 5
    ours = _probabilities(model.predict(held_out.features))[:, 1]
    assert_allclose(ours, peer.predict_proba(held_out.features)[:, 1], rtol=0, atol=1e-9)


def test_early_stopping_maximizes_a_metric_of_ours() -> None:
    rows = make_rows(2, n_rows=300)
    train = rows.examples(slice(0, 200), dtype=np.float32)
    held_out = rows.examples(slice(200, None), dtype=np.float32)
    metric = metric_named("balanced_accuracy", "binary")
    spec = make_spec(
        "xgboost", "binary", 2, num_round=60, early_stopping_rounds=10, metrics=(metric,)
    )
    watcher = Rounds()

    model = fitted(spec, train, validation=held_out, watcher=watcher)

    scores = [heard["validation"][metric.name] for _, heard in watcher.heard]
    assert model.n_rounds == 1 + int(np.argmax(scores))
    best = metric(held_out.target, model.predict(held_out.features), held_out.weight)
    assert best == pytest.approx(max(scores), abs=1e-12)


@pytest.mark.parametrize("booster", ["dart", "gblinear"])
def test_early_stopping_keeps_a_booster_that_cannot_be_sliced(booster: str) -> None:
    rows = make_rows(0, n_rows=300)
    features = np.nan_to_num(rows.features[:, [0, 1, 3]]).astype(np.float32)
    columns = tuple(column for column in COLUMNS if column.kind == "number")
    examples = rows.examples()
    parts = [
        type(examples)(features[part], rows.target[part])
        for part in (slice(0, 200), slice(200, None))
    ]
    metric = metric_named("rmse", "regression")
    params = {"booster": booster, "learning_rate": 0.9}
    if booster == "dart":
        params |= {"rate_drop": 0.3}
    spec = make_spec(
        "xgboost",
        "regression",
        0,
        num_round=60,
        early_stopping_rounds=5,
        metrics=(metric,),
        params=params,
    )
    watcher = Rounds()

    model = algorithm_named("xgboost").fit(
        spec, columns, parts[0], validation=parts[1], watcher=watcher
    )

    best = min(heard["validation"]["rmse"] for _, heard in watcher.heard)
    score = metric(parts[1].target, model.predict(parts[1].features))
    assert score == pytest.approx(best, rel=1e-5)


def test_early_stopping_without_rows_to_watch_is_refused() -> None:
    spec = make_spec(
        "xgboost", "binary", 2, early_stopping_rounds=5, metrics=(metric_named("auc", "binary"),)
    )

    with pytest.raises(UserError, match="early_stopping_rounds.*validation"):
        fitted(spec, make_rows(2).examples())


def test_watcher_ends_the_fit_and_can_save_the_model_so_far(tmp_path: Path) -> None:
    train = make_rows(2).examples(dtype=np.float32)

    class Saver(Rounds):
        def after_round(self, n_done: int, scores: Any, model_so_far: Any) -> bool:
            if n_done == 4:
                model_so_far.save(tmp_path)
            return super().after_round(n_done, scores, model_so_far)

    model = fitted(make_spec("xgboost", "binary", 2), train, watcher=Saver(stop_after=5))
    saved = algorithm_named("xgboost").load(tmp_path, {"task": "binary", "n_classes": 2}, COLUMNS)

    assert model.n_rounds == 5
    assert saved.n_rounds == 4


def test_nothing_is_evaluated_when_nobody_asks() -> None:
    watcher = Rounds()
    metrics = (metric_named("logloss", "binary"),)

    fitted(
        make_spec("xgboost", "binary", 2, metrics=metrics),
        make_rows(2).examples(),
        watcher=watcher,
    )

    assert [scores for _, scores in watcher.heard] == [{}] * 12


def test_class_weights_fit_but_do_not_score() -> None:
    rows = make_rows(2)
    train = rows.examples(dtype=np.float32)
    metric = metric_named("logloss", "binary")
    watcher = Rounds()
    spec = make_spec("xgboost", "binary", 2, class_weight={0: 1.0, 1: 7.0}, metrics=(metric,))

    model = fitted(spec, train, evaluate_train=True, watcher=watcher)

    weights = np.where(train.target == 1, 7.0, 1.0) * rows.weight
    by_hand = fitted(
        make_spec("xgboost", "binary", 2),
        type(train)(train.features, train.target, weights),
    )
    prediction = model.predict(train.features)
    assert_array_equal(_probabilities(prediction), _probabilities(by_hand.predict(train.features)))
    assert watcher.heard[-1][1]["train"]["logloss"] == pytest.approx(
        metric(train.target, prediction, train.weight), abs=1e-6
    )


def test_rows_outside_the_fit_leave_the_model_as_it_is() -> None:
    """The table's codes shift when held-out rows bring categories; the model must not notice."""
    rows = make_rows(2)
    rows.features[rows.features[:, KIND] == 0, KIND] = 4
    shifted = rows.features.copy()
    # The same categories under other codes: held-out rows brought five more before and between.
    new_code = np.array([np.nan, 2, 5, 6, 9])
    has_kind = ~np.isnan(shifted[:, KIND])
    shifted[has_kind, KIND] = new_code[shifted[has_kind, KIND].astype(int)]
    wider = tuple(
        type(column)(column.name, column.kind, tuple("abcdefghij") if column.categories else ())
        for column in COLUMNS
    )
    train = rows.examples(dtype=np.float32)
    spec = make_spec("xgboost", "binary", 2)

    first = fitted(spec, train)
    second = algorithm_named("xgboost").fit(
        spec, wider, type(train)(shifted.astype(np.float32), train.target, train.weight)
    )

    assert first.booster.save_raw("json") == second.booster.save_raw("json")  # type: ignore[attr-defined]


def test_unseen_category_is_missing() -> None:
    rows = make_rows(2)
    known = rows.features[:, KIND] != 3
    model = fitted(make_spec("xgboost", "binary", 2), rows.examples(known))
    unseen = rows.features[~known].astype(np.float32)
    missing = unseen.copy()
    missing[:, KIND] = np.nan

    assert_array_equal(
        _probabilities(model.predict(unseen)), _probabilities(model.predict(missing))
    )


@pytest.mark.parametrize(("task", "n_classes"), [("binary", 2), ("multiclass", 3)])
def test_contributions_add_up_to_the_margin(task: Any, n_classes: int) -> None:
    train = make_rows(n_classes).examples(dtype=np.float32)
    model = fitted(make_spec("xgboost", task, n_classes), train)

    values = model.contributions(train.features)

    matrix = xgboost.DMatrix(train.features, feature_types=TYPES, enable_categorical=True)
    margins = model.booster.predict(matrix, output_margin=True)  # type: ignore[attr-defined]
    assert values is not None
    assert values.shape == (400, 5) if n_classes == 2 else (400, 3, 5)
    assert_allclose(values.sum(axis=-1), margins, atol=1e-4)


@pytest.mark.parametrize("items", [(1, 0), (1, 0, 0, 0, 0)])
def test_constraints_that_do_not_fit_the_features_are_the_users(items: tuple[int, ...]) -> None:
    spec = make_spec("xgboost", "binary", 2, params={"monotone_constraints": items})

    told = f"'monotone_constraints' is a list of length {len(items)}, .* features is 4"
    with pytest.raises(UserError, match=told):
        fitted(spec, make_rows(2).examples())


def test_failure_of_the_library_is_one_line() -> None:
    spec = make_spec("xgboost", "binary", 2, params={"max_depth": -7})

    with pytest.raises(AlgorithmError) as failure:
        fitted(spec, make_rows(2).examples())

    assert str(failure.value).startswith("xgboost failed to fit: ")
    assert "\n" not in str(failure.value)
    assert "-7" in str(failure.value)


def test_file_that_is_no_booster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.ubj").write_bytes(b"not a model")

    with pytest.raises(UserError, match="model.ubj"):
        algorithm_named("xgboost").load(tmp_path, {"task": "binary", "n_classes": 2}, COLUMNS)


def test_booster_of_other_columns_is_refused(tmp_path: Path) -> None:
    fitted(make_spec("xgboost", "binary", 2), make_rows(2).examples()).save(tmp_path)

    with pytest.raises(UserError, match="4 features.*3 columns"):
        algorithm_named("xgboost").load(tmp_path, {"task": "binary"}, COLUMNS[:3])


def _auc(target: Any, probabilities: Any) -> float:
    scores = probabilities if np.ndim(probabilities) == 1 else np.asarray(probabilities)
    if scores.ndim == 2 and scores.shape[1] == 2:
        scores = scores[:, 1]
    return float(roc_auc_score(target, scores, multi_class="ovr"))


def _probabilities(prediction: Prediction) -> Any:
    assert prediction.probabilities is not None
    return prediction.probabilities


def test_model_does_not_depend_on_the_number_of_threads() -> None:
    train = make_rows(0, n_rows=20_000).examples(dtype=np.float32)

    one = fitted(make_spec("xgboost", "regression", 0), train)
    several = fitted(make_spec("xgboost", "regression", 0, n_threads=2), train)

    assert_array_equal(
        given(one.predict(train.features).values), given(several.predict(train.features).values)
    )


@pytest.mark.parametrize("kind", ["weights", "many values"])
def test_model_does_not_depend_on_the_kind_of_matrix(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows below a limit take the plain matrix, which is ready sooner."""
    rows = make_rows(2, n_rows=5000)
    examples = rows.examples(dtype=np.float32, weighted=kind == "weights")
    spec = make_spec("xgboost", "binary", 2, metrics=(metric_named("logloss", "binary"),))
    watched = rows.examples(slice(0, 500), dtype=np.float32)
    plain = fitted(spec, examples, validation=watched)

    monkeypatch.setattr("crossfold.algorithms.xgboost_inputs.MAX_PLAIN_BYTES", 0)
    quantized = fitted(spec, examples, validation=watched)

    texts = [model.booster.save_raw("json") for model in (plain, quantized)]  # type: ignore[attr-defined]
    assert texts[0] == texts[1]
