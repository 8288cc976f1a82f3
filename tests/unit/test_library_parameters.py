"""The tables know every parameter of the installed libraries."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from crossfold.algorithms.parameters import lightgbm as lightgbm_table
from crossfold.algorithms.parameters import xgboost as xgboost_table
from crossfold.algorithms.parameters.family import (
    algorithm_name,
    check_params,
    family_of,
    task_of_objective,
)
from crossfold.algorithms.parameters.lightgbm_aliases import ALIASES
from crossfold.algorithms.sklearn_names import ESTIMATORS
from crossfold.contract.parameter_kinds import Categorical
from crossfold.errors import UserError
from crossfold.request.names import OWN

# Results of a fit that XGBoost stores beside its parameters.
_NOT_PARAMETERS = {"name", "specified_updater", "num_trees", "updater_seq"}
_LABELS = np.array([1.0, 2.0] * 20)


def _xgboost_configuration(params: dict[str, Any]) -> dict[str, Any]:
    import xgboost

    is_coded = params["objective"].startswith(("binary", "multi", "rank", "reg:log"))
    labels = _LABELS - 1 if is_coded else _LABELS
    matrix = xgboost.DMatrix(np.arange(120.0).reshape(40, 3), labels)
    if params["objective"].startswith("rank"):
        matrix.set_group([20, 20])
    if params["objective"] == "survival:aft":
        matrix.set_float_info("label_lower_bound", labels)
        matrix.set_float_info("label_upper_bound", labels)
    booster = xgboost.Booster({"verbosity": 0, "nthread": 1, **params}, [matrix])
    booster.update(matrix, 0)
    configuration: dict[str, Any] = json.loads(booster.save_config())
    return configuration


def _leaf_names(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if isinstance(value, (dict, list)):
                yield from _leaf_names(value)
            else:
                yield name
    elif isinstance(node, list):
        for value in node:
            yield from _leaf_names(value)


def _xgboost_settings() -> Iterator[dict[str, Any]]:
    extras: dict[str, dict[str, Any]] = {
        "reg:quantileerror": {"quantile_alpha": 0.5},
        "multi:softmax": {"num_class": 2},
        "multi:softprob": {"num_class": 2},
    }
    for objective in xgboost_table.TASK_OF_OBJECTIVE:
        yield {"objective": objective, **extras.get(objective, {})}
    for setting in (
        {"tree_method": "exact"},
        {"tree_method": "approx"},
        {"tree_method": "hist", "booster": "dart"},
        {"booster": "gblinear", "updater": "shotgun"},
        {"booster": "gblinear", "updater": "coord_descent", "feature_selector": "greedy"},
        {"updater": "grow_histmaker,prune,refresh"},
    ):
        yield {"objective": "reg:squarederror", **setting}


@pytest.mark.filterwarnings("ignore:.*manually specified the `updater`.*")
def test_every_xgboost_parameter_is_known() -> None:
    """XGBoost lists its parameters itself, for each booster, tree method and objective."""
    listed: set[str] = set()
    for setting in _xgboost_settings():
        listed |= set(_leaf_names(_xgboost_configuration(setting)))

    known = {*xgboost_table.SCHEMA.names, *OWN.names, *xgboost_table.FAMILY.own_names}
    assert len(listed) > 60
    assert listed - known - _NOT_PARAMETERS == set()


def test_every_xgboost_objective_is_known() -> None:
    import xgboost

    with pytest.raises(xgboost.core.XGBoostError) as caught:
        _xgboost_configuration({"objective": "none"})

    candidates = {
        line.removeprefix("Objective candidate: ").strip()
        for line in str(caught.value).splitlines()
        if line.startswith("Objective candidate: ")
    }
    assert candidates == set(xgboost_table.TASK_OF_OBJECTIVE) | (candidates & {"reg:linear"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("max_bin", "1"), ("gamma", "-1"), ("num_parallel_tree", "0"), ("max_depth", "-1"),
        ("lambda", "-1"), ("max_cat_to_onehot", "0"), ("max_delta_step", "-1"), ("verbosity", "4"),
        ("sparse_threshold", "2"), ("min_child_weight", "-1"), ("max_cached_hist_node", "0"),
        ("tree_method", "gpu_hist"), ("grow_policy", "best"), ("sampling_method", "best"),
    ],
)  # fmt: skip
def test_what_xgboost_refuses_we_refuse_before(name: str, text: str) -> None:
    import xgboost

    with pytest.raises(xgboost.core.XGBoostError):
        _xgboost_configuration({"objective": "reg:squarederror", name: text})
    with pytest.raises(UserError, match=name):
        xgboost_table.SCHEMA.decode({name: text})


def test_lightgbm_names_and_aliases_are_the_installed_librarys() -> None:
    from lightgbm.basic import _LIB  # type: ignore[attr-defined]  # the library handle

    size = 1 << 20
    buffer, length = ctypes.create_string_buffer(size), ctypes.c_int64(0)
    _LIB.LGBM_DumpParamAliases(ctypes.c_int64(size), ctypes.byref(length), buffer)
    listed = {name: tuple(sorted(aliases)) for name, aliases in json.loads(buffer.value).items()}

    assert dict(ALIASES) == listed


def test_every_lightgbm_parameter_is_known_exactly_once() -> None:
    ours = lightgbm_table.FAMILY.own_names
    for name, aliases in ALIASES.items():
        for spelling in (name, *aliases):
            found = lightgbm_table.SCHEMA.find(spelling)
            own = ours.get(spelling) or (OWN.find(spelling) and spelling)
            assert (found is not None) != (spelling in ours) or own, spelling
            assert found is not None or own, spelling


def _defaults(table: Any) -> list[Any]:
    return [p for p in table.SCHEMA.parameters if p.use == "use"]


@pytest.mark.parametrize("table", [xgboost_table, lightgbm_table])
def test_defaults_and_recommended_ranges_are_allowed(table: Any) -> None:
    for parameter in _defaults(table):
        if parameter.default is not None:
            parameter.decode(parameter.default)
        if parameter.tuning is not None:
            for end in (parameter.tuning.low, parameter.tuning.high):
                parameter.decode(f"{end:g}")
            if parameter.tuning.scaling == "Logarithmic":
                assert parameter.tuning.low > 0


def test_lightgbm_accepts_every_value_of_our_categories() -> None:
    """A word that LightGBM does not know is fatal to it."""
    import lightgbm

    features, labels = np.arange(120.0).reshape(60, 2), np.array([0.0, 1.0] * 30)
    for parameter in _defaults(lightgbm_table):
        if not isinstance(parameter.kind, Categorical) or parameter.name == "device_type":
            continue
        for word in parameter.kind.choices:
            if parameter.name == "objective" and word in ("lambdarank", "rank_xendcg"):
                continue
            params = {parameter.name: word, "verbosity": -1, "num_threads": 1}
            if word.startswith("multiclass"):
                params["num_class"] = 2
            if word == "rf":
                params |= {"bagging_freq": 1, "bagging_fraction": 0.5}
            data = lightgbm.Dataset(features, labels + (word == "gamma"))
            lightgbm.train(params, data, num_boost_round=1)


@pytest.mark.parametrize(
    ("algorithm", "objective", "task"),
    [
        ("xgboost", "binary:logistic", "binary"),
        ("xgboost", "multi:softprob", "multiclass"),
        ("xgboost", "rank:ndcg", "ranking"),
        ("xgboost", "reg:tweedie", "regression"),
        ("lightgbm", "binary", "binary"),
        ("lightgbm", "multiclassova", "multiclass"),
        ("lightgbm", "lambdarank", "ranking"),
        ("lightgbm", "poisson", "regression"),
        ("svm", "binary:logistic", None),
    ],
)
def test_objective_decides_the_task(algorithm: str, objective: str, task: str | None) -> None:
    assert task_of_objective(algorithm, objective) == task


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("XGBoost", "xgboost"),
        ("RandomForest", "random_forest"),
        ("random-forest", "random_forest"),
        ("KNN", "knn"),
        ("sklearn.svm.SVC", "sklearn.svm.SVC"),
    ],
)
def test_algorithm_names_are_forgiving(text: str, name: str) -> None:
    assert algorithm_name(text) == name


@pytest.mark.parametrize("text", ["xgbost", "os.system", "sklearn._private.X.Y", ""])
def test_unknown_algorithm_lists_the_known_ones(text: str) -> None:
    with pytest.raises(UserError, match="is .*; expected xgboost, lightgbm, svm"):
        algorithm_name(text)


def test_tables_do_not_import_their_libraries() -> None:
    code = (
        "import sys\n"
        "from crossfold.algorithms.parameters.family import family_of\n"
        "family_of('xgboost'); family_of('lightgbm')\n"
        "heavy = {'xgboost', 'lightgbm', 'sklearn', 'scipy', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _all_estimators() -> list[str]:
    from sklearn.utils import all_estimators

    found = all_estimators(type_filter=["classifier", "regressor"])
    return [f"{cls.__module__.rsplit('._', 1)[0]}.{cls.__name__}" for _, cls in found]


def test_every_estimator_that_needs_no_other_has_a_schema_with_its_defaults() -> None:
    """Each default is accepted in the way a tuner writes it, or the parameter is refused."""
    import inspect

    from sklearn.utils import all_estimators

    n_schemas = 0
    for name, cls in all_estimators(type_filter=["classifier", "regressor"]):
        path = f"{cls.__module__.rsplit('._', 1)[0]}.{name}"
        try:
            schema = family_of(path).schema
        except UserError as error:
            assert "an object that no text can name" in str(error), path
            continue
        n_schemas += 1
        for argument in inspect.signature(cls).parameters.values():
            parameter = schema.find(argument.name)
            if argument.name in ("random_state", "class_weight"):
                continue
            assert parameter is not None, (path, argument.name)
            is_word = argument.default in ("deprecated", "warn")
            if parameter.use == "use" and not is_word and argument.default is not None:
                assert parameter.decode(str(argument.default)) == argument.default, argument
    assert n_schemas > 70


def test_short_names_have_a_schema_for_each_task() -> None:
    for name in ESTIMATORS:
        family = family_of(name)
        for task in family.tasks:
            assert family_of(name, task).schema.parameters
            check_params(name, task, {})


def _decode(algorithm: str, task: Any = "auto", **raw: str) -> dict[str, Any]:
    return family_of(algorithm, task).schema.decode(raw).values


def test_scikit_learn_texts_become_the_types_that_it_wants() -> None:
    assert _decode("svm", c="1", gamma="0.0005", kernel="rbf") == {
        "C": 1.0, "gamma": 0.0005, "kernel": "rbf"
    }  # fmt: skip
    assert _decode("svm", gamma="scale", probability="True", max_iter="-1") == {
        "gamma": "scale", "probability": True, "max_iter": -1
    }  # fmt: skip
    assert _decode("mlp", hidden_layer_sizes="(100,50)") == {"hidden_layer_sizes": (100, 50)}
    assert _decode("random_forest", max_depth="None", max_features="0.5") == {
        "max_depth": None, "max_features": 0.5
    }  # fmt: skip
    assert _decode("knn", k="7") == {"n_neighbors": 7}


def test_one_and_one_point_zero_differ_where_scikit_learn_says_so() -> None:
    counted = _decode("random_forest", max_features="1")["max_features"]
    fraction = _decode("random_forest", max_features="1.0")["max_features"]

    assert (counted, type(counted)) == (1, int)
    assert (fraction, type(fraction)) == (1.0, float)


@pytest.mark.parametrize(
    ("algorithm", "name", "text"),
    [
        ("svm", "c", "0"),
        ("svm", "gamma", "often"),
        ("ridge", "alpha", "-1"),
        ("random_forest", "criterion", "best"),
        ("random_forest", "n_estimators", "0"),
        ("knn", "n_neighbors", "2.5"),
        ("mlp", "activation", "step"),
    ],
)
def test_what_scikit_learn_refuses_we_refuse_before(algorithm: str, name: str, text: str) -> None:
    with pytest.raises(UserError, match=f"hyperparameter '{name}' is '{text}'; expected"):
        _decode(algorithm, **{name: text})


def test_parameters_of_the_other_task_are_refused_once_the_task_is_known() -> None:
    params = _decode("svm", epsilon="0.1")

    check_params("svm", "regression", params)
    with pytest.raises(UserError, match="'epsilon' .* is unknown to SVC"):
        check_params("svm", "binary", params)


def test_rounds_are_trees_where_trees_are_counted() -> None:
    assert _decode("random_forest", num_round="10") == {"n_estimators": 10}
    assert _decode("hist_gradient_boosting", num_round="10") == {"max_iter": 10}
    with pytest.raises(UserError, match="'num_round' is not accepted"):
        _decode("svm", num_round="10")


def test_parameter_with_one_of_our_names_has_an_escape() -> None:
    assert _decode("knn", estimator__algorithm="brute") == {"algorithm": "brute"}


@pytest.mark.parametrize(
    "path",
    ["sklearn.preprocessing.StandardScaler", "sklearn.svm.Nothing", "sklearn.nowhere.Thing",
     "sklearn.ensemble.StackingClassifier"],
)  # fmt: skip
def test_path_to_something_else_is_refused(path: str) -> None:
    with pytest.raises(UserError):
        family_of(path)


def test_contradicting_lightgbm_switches_are_refused() -> None:
    with pytest.raises(UserError, match="'is_unbalance' and 'scale_pos_weight'"):
        check_params("lightgbm", "binary", {"is_unbalance": True, "scale_pos_weight": 2.0})


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"boosting": "rf"}, "'boosting'.*'bagging_freq'.*'feature_fraction'"),
        ({"boosting": "rf", "bagging_freq": 1}, "'boosting'"),
        ({"boosting": "rf", "bagging_fraction": 0.5}, "'boosting'"),
        ({"data_sample_strategy": "goss", "top_rate": 0.95}, "'top_rate'.*'other_rate'"),
    ],
)
def test_lightgbm_is_not_asked_to_draw_what_it_refuses(params: dict[str, Any], names: str) -> None:
    _assert_lightgbm(params, refuses=True)
    with pytest.raises(UserError, match=names):
        check_params("lightgbm", "binary", params)


@pytest.mark.parametrize(
    "params",
    [
        {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5},
        {"boosting": "rf", "feature_fraction": 0.5},
        {"boosting": "rf", "data_sample_strategy": "goss"},
        {"data_sample_strategy": "goss", "top_rate": 0.5, "other_rate": 0.5},
    ],
)
def test_lightgbm_is_asked_to_draw_what_it_takes(params: dict[str, Any]) -> None:
    _assert_lightgbm(params, refuses=False)
    check_params("lightgbm", "binary", params)


def _assert_lightgbm(params: dict[str, Any], *, refuses: bool) -> None:
    import lightgbm

    rows = np.arange(200.0).reshape(100, 2)
    data = lightgbm.Dataset(rows, rows[:, 0] > 100, params={"verbosity": -1})
    try:
        lightgbm.Booster({"verbosity": -1, **params}, data).update()
    except lightgbm.basic.LightGBMError:
        assert refuses
    else:
        assert not refuses


@pytest.mark.parametrize(
    ("algorithm", "name"), [("xgboost", "max_depth"), ("lightgbm", "min_data_in_leaf")]
)
def test_whole_numbers_end_where_the_librarys_do(algorithm: str, name: str) -> None:
    assert _decode(algorithm, **{name: "2147483647"}) == {name: 2147483647}
    with pytest.raises(UserError, match=f"'{name}' is '2147483648'.*at most 2147483647"):
        _decode(algorithm, **{name: "2147483648"})


@pytest.mark.parametrize(
    ("raw", "objective"),
    [
        ({"quantile_alpha": "0.5"}, "reg:quantileerror"),
        ({"quantile_alpha": "[0.1, 0.9]"}, "reg:quantileerror"),
        ({"monotone_constraints": "(1,0,-1)"}, "reg:squarederror"),
        ({"interaction_constraints": "[[0, 1], [2]]"}, "reg:squarederror"),
        ({"base_score": "0.25"}, "reg:squarederror"),
        ({"base_score": "[0.25]"}, "reg:squarederror"),
        ({"device": "cpu", "max_cached_hist_node": "100"}, "reg:squarederror"),
        ({"lambdarank_num_pair_per_sample": "3", "ndcg_exp_gain": "False"}, "rank:ndcg"),
        ({"refresh_leaf": "true", "one_drop": "1", "booster": "dart"}, "reg:squarederror"),
    ],
)
def test_xgboost_takes_our_typed_values(raw: dict[str, str], objective: str) -> None:
    values = xgboost_table.SCHEMA.decode(raw).values

    _xgboost_configuration({"objective": objective, **values})


@pytest.mark.parametrize(
    "raw",
    [
        {"monotone_constraints": "(1,0)"},
        {"interaction_constraints": "[[0], [1]]"},
        {"feature_contri": "0.5,1", "max_bin_by_feature": "[10, 20]"},
        {"cegb_penalty_feature_lazy": "0.1,0", "label_gain": "0,1,3"},
        {"extra_trees": "True", "use_missing": "0", "lambda": "2"},
    ],
)
def test_lightgbm_takes_our_typed_values(raw: dict[str, str]) -> None:
    import lightgbm

    values = lightgbm_table.SCHEMA.decode(raw).values
    data = lightgbm.Dataset(np.arange(120.0).reshape(60, 2), np.arange(60.0))
    lightgbm.train({**values, "verbosity": -1, "num_threads": 1}, data, num_boost_round=1)
