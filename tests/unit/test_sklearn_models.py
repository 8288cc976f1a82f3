from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, KFold, StratifiedKFold, cross_validate
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC

from crossfold.algorithms.adapter import Examples
from crossfold.algorithms.registry import algorithm_named
from crossfold.algorithms.scale_hint import scale_hint
from crossfold.algorithms.sklearn_names import ESTIMATORS
from crossfold.data.table import Column
from crossfold.errors import AlgorithmError, UserError
from crossfold.metrics.metric import metric_named
from crossfold.metrics.prediction import Prediction, Task
from tests.unit.model_examples import (
    COLUMNS,
    KIND,
    fitted,
    given,
    make_rows,
    make_spec,
    scores_over_folds,
)

NUMBERS = [0, 1, 3]


def _peer(estimator: Any, *, standardize: bool = False) -> Pipeline:
    """Build a user's own pipeline, written from scikit-learn's documentation."""
    numbers: list[tuple[str, Any]] = [("impute", SimpleImputer(strategy="median"))]
    if standardize:
        numbers.append(("scale", StandardScaler()))
    categories = Pipeline(
        [
            ("impute", SimpleImputer(strategy="most_frequent")),
            ("encode", OneHotEncoder(handle_unknown="ignore")),
        ]
    )
    columns = ColumnTransformer(
        [("numbers", Pipeline(numbers), NUMBERS), ("categories", categories, [KIND])],
        sparse_threshold=0,
    )
    return Pipeline([("columns", columns), ("model", estimator)])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
def test_scores_equal_cross_validate_of_a_pipeline(*, standardize: bool, weighted: bool) -> None:
    rows = make_rows(3)
    splits = list(
        StratifiedKFold(5, shuffle=True, random_state=1).split(rows.features, rows.target)
    )

    ours = scores_over_folds(
        make_spec(
            "random_forest", "multiclass", 3, params={"n_estimators": 20}, standardize=standardize
        ),
        rows,
        splits,
        metric_named("mlogloss", "multiclass"),
        weighted=weighted,
    )
    theirs = cross_validate(
        _peer(RandomForestClassifier(20, random_state=3), standardize=standardize),
        rows.features,
        rows.target.astype(int),
        cv=splits,
        scoring="neg_log_loss",
        params={"model__sample_weight": rows.weight} if weighted else None,
    )

    assert_allclose(ours, -theirs["test_score"], rtol=0, atol=1e-9)


def test_scores_equal_cross_validate_of_a_regressor_with_groups() -> None:
    rows = make_rows(0)
    splits = list(GroupKFold(4).split(rows.features, rows.target, rows.group))

    ours = scores_over_folds(
        make_spec("ridge", "regression", 0, standardize=True),
        rows,
        splits,
        metric_named("rmse", "regression"),
    )
    theirs = cross_validate(
        _peer(Ridge(random_state=3), standardize=True),
        rows.features,
        rows.target,
        groups=rows.group,
        cv=GroupKFold(4),
        scoring="neg_root_mean_squared_error",
        params={"model__sample_weight": rows.weight},
    )

    assert_allclose(ours, -theirs["test_score"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("params", "published"),
    [
        ({"kernel": "linear", "C": 1.0}, 0.9733),
        ({"kernel": "rbf", "C": 0.5, "gamma": 0.0005}, 0.9133),
    ],
)
def test_iris_gives_the_published_accuracy(params: dict[str, Any], published: float) -> None:
    features, target = load_iris(return_X_y=True)
    columns = tuple(Column(f"f{i}", "number") for i in range(4))
    spec = make_spec("svm", "multiclass", 3, params=params)
    scores = []
    for train, test in StratifiedKFold(5, shuffle=True, random_state=23).split(features, target):
        examples = Examples(features[train], target[train].astype(float))
        model = algorithm_named("svm").fit(spec, columns, examples)
        scores.append(np.mean(model.predict(features[test]).labels == target[test]))

    assert np.mean(scores) == pytest.approx(published, abs=5e-5)


def test_support_vectors_have_scores_and_no_probabilities() -> None:
    train = make_rows(3).examples()

    prediction = fitted(make_spec("svm", "multiclass", 3), train).predict(train.features)

    peer = _peer(SVC(random_state=3)).fit(
        train.features, train.target.astype(int), model__sample_weight=train.weight
    )
    assert prediction.probabilities is None
    assert_array_equal(prediction.labels, peer.predict(train.features))
    assert_allclose(given(prediction.scores), peer.decision_function(train.features), atol=1e-9)


def test_scores_of_pairs_of_classes_are_left_out() -> None:
    train = make_rows(4).examples()
    spec = make_spec("svm", "multiclass", 4, params={"decision_function_shape": "ovo"})

    assert fitted(spec, train).predict(train.features).scores is None


def test_binary_score_is_of_the_positive_class() -> None:
    train = make_rows(2).examples()

    prediction = fitted(make_spec("svm", "binary", 2), train).predict(train.features)

    assert prediction.scores is not None
    assert_array_equal(prediction.labels, (prediction.scores > 0).astype(int))


@pytest.mark.parametrize("name", ["random_forest", "svm", "logistic_regression", "knn"])
def test_class_absent_from_the_rows_keeps_its_place(name: str) -> None:
    rows = make_rows(4)
    present = rows.target != 1
    # No row of class 1 is fitted on; classes 2 and 3 keep their codes.
    train = Examples(rows.features[present], rows.target[present])

    prediction = fitted(make_spec(name, "multiclass", 4, standardize=True), train).predict(
        rows.features
    )

    assert prediction.labels is not None
    assert set(prediction.labels.tolist()) == {0, 2, 3}
    outcome = prediction.probabilities if name != "svm" else prediction.scores
    assert outcome is not None
    assert outcome.shape == (400, 4)
    if name == "svm":
        assert np.all(outcome[:, 1] < outcome[:, [0, 2, 3]].min(axis=1))
    else:
        assert_array_equal(outcome.argmax(axis=1), prediction.labels)
        assert_array_equal(outcome[:, 1], 0.0)


def test_two_of_three_classes_give_three_columns_of_scores() -> None:
    rows = make_rows(3)
    present = rows.target != 0
    train = Examples(rows.features[present], rows.target[present])

    prediction = fitted(make_spec("svm", "multiclass", 3), train).predict(rows.features)

    assert prediction.scores is not None
    assert_array_equal(prediction.scores.argmax(axis=1), prediction.labels)


@pytest.mark.parametrize("name", sorted(ESTIMATORS))
def test_every_short_name_fits_saves_and_loads(name: str, tmp_path: Path) -> None:
    paths = ESTIMATORS[name]
    tasks: list[tuple[Any, int]] = [("multiclass", 3), ("binary", 2)] if paths.classifier else []
    tasks += [("regression", 0)] if paths.regressor else []
    for task, n_classes in tasks:
        rows = make_rows(n_classes)
        train = Examples(rows.features, rows.target)
        params = {"max_iter": 10} if name == "hist_gradient_boosting" else {}
        spec = make_spec(name, task, n_classes, standardize=True, params=params)

        model = fitted(spec, train)
        files = model.save(tmp_path)
        facts = {"task": task, "n_classes": n_classes, "files": files}
        loaded = algorithm_named(name).load(tmp_path, facts, COLUMNS)

        assert model.n_rounds is None
        before, after = model.predict(rows.features), loaded.predict(rows.features)
        for field in ("labels", "probabilities", "scores", "values"):
            first, second = getattr(before, field), getattr(after, field)
            assert (first is None) == (second is None)
            if first is not None:
                assert_allclose(first, second, rtol=1e-12)
        texts = model.warnings
        assert [text for text in texts if "deprecat" in text.lower()] == []


@pytest.mark.parametrize(
    "path",
    [
        "sklearn.svm.LinearSVC",
        "sklearn.ensemble.AdaBoostClassifier",
        "sklearn.ensemble.GradientBoostingClassifier",
        "sklearn.gaussian_process.GaussianProcessClassifier",
        "sklearn.calibration.CalibratedClassifierCV",
        "sklearn.linear_model.SGDClassifier",
        "sklearn.discriminant_analysis.LinearDiscriminantAnalysis",
    ],
)
def test_import_paths_fit_save_and_load(path: str, tmp_path: Path) -> None:
    rows = make_rows(2, n_rows=120)
    train = Examples(rows.features, rows.target)

    model = fitted(make_spec(path, "binary", 2, standardize=True), train)
    model.save(tmp_path)
    loaded = algorithm_named(path).load(tmp_path, {"task": "binary", "n_classes": 2}, COLUMNS)

    assert_array_equal(loaded.predict(rows.features).labels, model.predict(rows.features).labels)


def test_weights_for_an_estimator_without_them_are_refused() -> None:
    with pytest.raises(UserError, match="weight_column.*KNeighborsClassifier"):
        fitted(make_spec("knn", "binary", 2), make_rows(2).examples())


def test_class_weights_go_to_the_constructor() -> None:
    rows = make_rows(2)
    train = rows.examples()
    spec = make_spec("logistic_regression", "binary", 2, class_weight={1: 4.0}, standardize=True)

    model = fitted(spec, train)

    peer = _peer(LogisticRegression(class_weight={0: 1, 1: 4}), standardize=True)
    peer.fit(train.features, train.target.astype(int), model__sample_weight=train.weight)
    assert_allclose(
        given(model.predict(train.features).probabilities),
        peer.predict_proba(train.features),
        atol=1e-9,
    )


def test_class_weights_become_weights_where_the_constructor_has_none() -> None:
    rows = make_rows(2)
    spec = make_spec("naive_bayes", "binary", 2, class_weight="balanced")

    balanced = fitted(spec, Examples(rows.features, rows.target))
    counts = np.bincount(rows.target.astype(int))
    by_hand = fitted(
        make_spec("naive_bayes", "binary", 2),
        Examples(rows.features, rows.target, (400 / (2 * counts))[rows.target.astype(int)]),
    )

    assert_array_equal(
        balanced.predict(rows.features).probabilities, by_hand.predict(rows.features).probabilities
    )


def test_class_weights_that_cannot_be_given_are_refused() -> None:
    rows = make_rows(2)

    with pytest.raises(UserError, match="class_weight.*KNeighborsClassifier"):
        fitted(
            make_spec("knn", "binary", 2, class_weight="balanced"),
            Examples(rows.features, rows.target),
        )


def test_fit_that_does_not_converge_says_so_and_goes_on() -> None:
    rows = make_rows(2)
    spec = make_spec("mlp", "binary", 2, params={"max_iter": 2})

    model = fitted(spec, Examples(rows.features, rows.target))

    assert "converged" in " ".join(model.warnings)


def test_parameter_out_of_range_is_the_users() -> None:
    with pytest.raises(UserError, match="'C' parameter of SVC"):
        fitted(make_spec("svm", "binary", 2, params={"C": -1.0}), make_rows(2).examples())


@pytest.mark.parametrize(
    ("name", "n_classes", "params", "told"),
    [
        (
            "logistic_regression",
            2,
            {"penalty": "l1", "solver": "lbfgs"},
            "Solver lbfgs .* l1 penalty",
        ),
        ("logistic_regression", 3, {"solver": "liblinear"}, "'liblinear' solver"),
        ("sklearn.svm.LinearSVC", 2, {"penalty": "l1", "loss": "hinge"}, "Unsupported set"),
    ],
)
def test_parameters_that_exclude_each_other_are_the_users(
    name: str, n_classes: int, params: dict[str, Any], told: str
) -> None:
    task: Task = "binary" if n_classes == 2 else "multiclass"

    with pytest.raises(UserError, match=f"^hyperparameters contradict each other: .*{told}"):
        fitted(make_spec(name, task, n_classes, params=params), make_rows(n_classes).examples())


def test_parameter_unknown_to_the_estimator_names_the_nearest() -> None:
    with pytest.raises(UserError, match="'gama'.*did you mean 'gamma'"):
        fitted(make_spec("svm", "binary", 2, params={"gama": 1.0}), make_rows(2).examples())


def test_platt_scaling_is_refused() -> None:
    with pytest.raises(UserError, match="Platt"):
        fitted(make_spec("svm", "binary", 2, params={"probability": True}), make_rows(2).examples())


def test_one_class_is_a_failure_of_the_library_in_one_line() -> None:
    rows = make_rows(2)

    with pytest.raises(AlgorithmError, match="^scikit-learn failed to fit: .*class"):
        fitted(make_spec("svm", "binary", 2), Examples(rows.features, np.zeros(400)))


def test_column_without_any_value_is_kept() -> None:
    rows = make_rows(2)
    rows.features[:, 1] = np.nan

    model = fitted(make_spec("logistic_regression", "binary", 2), rows.examples())

    assert model.predict(rows.features).labels is not None


def test_rows_outside_the_fit_leave_the_model_as_it_is() -> None:
    """Absurd held-out rows change what is held out, not what imputes, scales or encodes."""
    rows = make_rows(0)
    spec = make_spec("ridge", "regression", 0, standardize=True)
    train, test = next(iter(KFold(5).split(rows.features)))
    absurd = rows.features.copy()
    absurd[np.ix_(test, NUMBERS)] = 1e12
    absurd[test, KIND] = 77

    first = fitted(spec, Examples(rows.features[train], rows.target[train]))
    second = fitted(spec, Examples(absurd[train], rows.target[train]))

    by_number = first.pipeline.named_steps["columns"].named_transformers_["numbers"]  # type: ignore[attr-defined]
    assert_allclose(
        by_number.named_steps["impute"].statistics_,
        np.nanmedian(rows.features[train][:, NUMBERS], axis=0),
    )
    assert_array_equal(first.predict(rows.features).values, second.predict(rows.features).values)


def test_many_categories_are_stored_sparse_where_the_estimator_takes_it() -> None:
    rng = np.random.default_rng(0)
    codes = np.arange(2400) % 1200
    features = np.column_stack([rng.normal(size=2400), codes])
    columns = (
        Column("a", "number"),
        Column("b", "category", tuple(f"{i:04}" for i in range(1200))),
    )
    target = features[:, 0] + codes % 2
    train = Examples(features, target.astype(np.float64))

    sparse = algorithm_named("ridge").fit(make_spec("ridge", "regression", 0), columns, train)

    prepared = sparse.pipeline[:-1].transform(features[:5])  # type: ignore[attr-defined]
    assert prepared.shape == (5, 1201)
    assert hasattr(prepared, "toarray")


def test_hint_names_the_columns_and_the_figures() -> None:
    rows = make_rows(2)

    hint = scale_hint(make_spec("svm", "binary", 2), COLUMNS, rows.features)

    assert hint is not None
    assert "'price'" in hint
    assert "'größe'" in hint
    assert "standardize=true" in hint


def test_a_column_without_a_value_gives_no_warning_and_no_hint_of_its_own() -> None:
    rows = make_rows(2)
    rows.features[:, 1] = np.nan

    hint = scale_hint(make_spec("svm", "binary", 2), COLUMNS, rows.features)

    assert hint is not None
    assert "'age'" not in hint


@pytest.mark.parametrize(
    ("name", "standardize", "scale"),
    [("random_forest", False, 1.0), ("svm", True, 1.0), ("svm", False, 0.1)],
)
def test_no_hint_where_scale_does_not_matter(name: str, scale: float, *, standardize: bool) -> None:
    rows = make_rows(2)
    rows.features[:, 3] *= scale

    hint = scale_hint(make_spec(name, "binary", 2, standardize=standardize), COLUMNS, rows.features)

    assert hint is None


@pytest.mark.parametrize("trusted", ["os.system", "numpy.testing._private.utils.runstring"])
def test_file_with_a_foreign_type_is_refused_and_named(trusted: str, tmp_path: Path) -> None:
    fitted(make_spec("ridge", "regression", 0), make_rows(0).examples()).save(tmp_path)
    module, _, name = trusted.rpartition(".")
    path = tmp_path / "model.skops"
    _rewrite(
        path,
        lambda text: text.replace('"Ridge"', f'"{name}"').replace(
            '"sklearn.linear_model._ridge"', f'"{module}"'
        ),
    )

    with pytest.raises(UserError, match=f"not trusted: {trusted}"):
        algorithm_named("ridge").load(tmp_path, {"task": "regression", "n_classes": 0}, COLUMNS)


def test_file_with_a_function_of_scikit_learn_is_refused(tmp_path: Path) -> None:
    from sklearn.datasets import fetch_file

    data = skops.io.dumps({"a": fetch_file})
    (tmp_path / "model.skops").write_bytes(data)

    with pytest.raises(UserError, match="not trusted: sklearn.datasets"):
        algorithm_named("ridge").load(tmp_path, {"task": "regression", "n_classes": 0}, COLUMNS)


@pytest.mark.parametrize("content", [b"", b"not a zip", "schema"])
def test_file_that_is_no_skops_file_is_refused(content: Any, tmp_path: Path) -> None:
    if content == "schema":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("schema.json", json.dumps({"protocol": 2}))
        content = buffer.getvalue()
    (tmp_path / "model.skops").write_bytes(content)

    with pytest.raises(UserError, match="model.skops"):
        algorithm_named("ridge").load(tmp_path, {"task": "regression", "n_classes": 0}, COLUMNS)


def test_labels_of_a_forest_are_those_of_predict() -> None:
    rows = make_rows(3)
    model = fitted(
        make_spec("random_forest", "multiclass", 3, params={"n_estimators": 4}), rows.examples()
    )

    prediction: Prediction = model.predict(rows.features)

    assert_array_equal(prediction.labels, model.pipeline.predict(rows.features))  # type: ignore[attr-defined]


def _rewrite(path: Path, change: Any) -> None:
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    contents["schema.json"] = change(contents["schema.json"].decode()).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def test_writing_leaves_the_whole_of_skops_to_others(tmp_path: Path) -> None:
    """The writer skips what only readers need; nobody else must notice."""
    code = (
        "import sys; from pathlib import Path; from sklearn.linear_model import Ridge\n"
        "from crossfold.algorithms.skops_files import read_skops, write_skops\n"
        "import numpy as np; model = Ridge().fit(np.eye(3), [1, 2, 3]); path = Path(sys.argv[1])\n"
        "write_skops(path, model); assert 'skops.io' not in sys.modules\n"
        "assert read_skops(path).coef_.tolist() == model.coef_.tolist()\n"
        "import skops.io; assert skops.io.get_untrusted_types(file=path) == []\n"
        "a = skops.io.loads(skops.io.dumps(model)); write_skops(path, model); read_skops(path)\n"
    )

    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model.skops")], check=True)


def test_a_value_that_scaling_takes_beyond_float32_is_the_sender_s() -> None:
    rows = make_rows(2)
    spec = make_spec("random_forest", "binary", 2, standardize=True)
    model = fitted(spec, rows.examples(weighted=False))
    wild = rows.features[:2].copy()
    wild[0, 0] = 3e38

    with pytest.raises(UserError, match="so large"):
        model.predict(wild * [100, 1, 1, 1])
