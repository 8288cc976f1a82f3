"""A fit that another process goes on with gives the numbers of one that was never interrupted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from crossfold.algorithms.adapter import FitState, Model, ModelSpec
from crossfold.algorithms.boosting import Boosting, boost
from crossfold.algorithms.continuation import OBJECTIVES, can_continue_xgboost
from crossfold.algorithms.xgboost_inputs import objective_of
from crossfold.fitting.fold_progress import FoldProgress
from crossfold.metrics.metric import metric_named
from crossfold.metrics.prediction import Task
from tests.unit.model_examples import fitted, make_rows, make_spec

KEY = "0123456789abcdef0123456789abcdef"
N_BEFORE = 5


class Kept:
    """Keeps every round in memory, and ends the fit after a number of them."""

    def __init__(self, state: FitState | None = None, end: int = 1000) -> None:
        self.state, self.end = state, end
        self.heard: list[int] = []

    def earlier(self) -> FitState | None:
        return self.state

    def is_due(self) -> bool:
        return True

    def save(self, state: FitState) -> None:
        self.state = state

    def after_round(self, n_done: int, scores: Any, model_so_far: Model) -> bool:
        self.heard.append(n_done)
        return n_done >= self.end


def in_one_go_and_in_two(spec: ModelSpec, **options: Any) -> tuple[Model, Model, list[int]]:
    """Fit without and with an interruption; also return the rounds after it."""
    rows = make_rows(spec.n_classes)
    if str(spec.params.get("objective", "")) in _POSITIVE:
        rows.target[:] = np.abs(rows.target)
    train = rows.examples(slice(0, 300), dtype=np.float32)
    if spec.early_stopping_rounds is not None:
        options["validation"] = rows.examples(slice(300, 400), dtype=np.float32)
    whole = _fit(spec, train, Kept(), options)
    first = Kept(end=N_BEFORE)
    _fit(spec, train, first, options)
    second = Kept(first.state)
    return whole, _fit(spec, train, second, options), second.heard


def _fit(spec: ModelSpec, train: Any, kept: Kept, options: dict[str, Any]) -> Model:
    return fitted(replace(spec, progress=kept), train, watcher=kept, **options)


_POSITIVE = ("count:poisson", "reg:gamma", "reg:squaredlogerror", "reg:tweedie")


def _task_of(objective: str) -> tuple[Task, int]:
    if objective.startswith("multi:"):
        return "multiclass", 3
    if objective.startswith("binary:") or objective == "reg:logistic":
        return "binary", 2
    return "regression", 0


@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_every_objective_goes_on_to_the_last_bit(objective: str) -> None:
    task, n_classes = _task_of(objective)
    spec = make_spec("xgboost", task, n_classes, params={"objective": objective})

    whole, two, heard = in_one_go_and_in_two(spec)

    assert heard == list(range(N_BEFORE + 1, spec.num_round + 1))
    features = make_rows(n_classes).features.astype(np.float32)
    assert_array_equal(two.raw_scores(features), whole.raw_scores(features))


@pytest.mark.parametrize(
    "params",
    [
        {"tree_method": "approx", "max_bin": 16},
        {"tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 9},
        {"monotone_constraints": (1, 0, 0, -1), "gamma": 0.1, "lambda": 3.0, "alpha": 0.2},
        {"interaction_constraints": "[[0, 1], [2, 3]]", "max_delta_step": 1.0},
        {"base_score": 0.3, "scale_pos_weight": 2.5, "min_child_weight": 4.0},
        {"max_cat_to_onehot": 1, "max_cat_threshold": 3, "max_depth": 9, "eta": 0.7},
        {"subsample": 1.0, "colsample_bytree": 1.0, "booster": "gbtree", "device": "cpu"},
    ],
    ids=str,
)
def test_every_listed_parameter_goes_on_to_the_last_bit(params: dict[str, Any]) -> None:
    spec = make_spec("xgboost", "binary", 2, params=params)

    whole, two, heard = in_one_go_and_in_two(spec)

    assert heard[0] == N_BEFORE + 1
    features = make_rows(2).features.astype(np.float32)
    assert_array_equal(two.raw_scores(features), whole.raw_scores(features))


@pytest.mark.parametrize("patience", [1, 2, 4, 30])
@pytest.mark.parametrize("name", ["logloss", "auc"])
def test_early_stopping_ends_at_the_same_round(patience: int, name: str) -> None:
    spec = make_spec(
        "xgboost",
        "binary",
        2,
        params={"eta": 0.9},
        num_round=40,
        metrics=(metric_named(name, "binary"),),
        early_stopping_rounds=patience,
    )

    whole, two, _ = in_one_go_and_in_two(spec)

    assert two.n_rounds == whole.n_rounds
    features = make_rows(2).features.astype(np.float32)
    assert_array_equal(two.raw_scores(features), whole.raw_scores(features))


def test_early_stopping_that_had_ended_the_fit_does_not_go_on() -> None:
    """Interrupted between its last round and its result, the fit would see a better round."""
    scores = [0.9, 0.5, 0.6, 0.7, 0.1, 0.1]
    spec = make_spec(
        "xgboost",
        "binary",
        2,
        num_round=len(scores),
        metrics=(metric_named("logloss", "binary"),),
        early_stopping_rounds=2,
    )

    def rounds(earlier: FitState | None, kept: Kept) -> tuple[int, list[int]]:
        ran: list[int] = []

        def update(at: int) -> bool:
            ran.append(at)
            return False

        fit = Boosting(
            update,
            lambda at: {"validation": {"logloss": scores[at]}},
            lambda _n: None,
            cast("Model", None),
            earlier,
            lambda: b"booster",
        )
        return boost(replace(spec, progress=kept), fit, None, is_watched=True), ran

    kept = Kept()
    assert rounds(None, kept) == (2, [0, 1, 2, 3])

    assert kept.state is not None
    assert rounds(kept.state, Kept()) == (2, [])


@pytest.mark.parametrize(
    "params",
    [
        {"subsample": 0.8},
        {"colsample_bytree": 0.5},
        {"colsample_bylevel": 0.5},
        {"colsample_bynode": 0.5},
        {"booster": "dart"},
        {"booster": "gblinear"},
        {"num_parallel_tree": 2},
        {"seed_per_iteration": True},
        {"updater": "grow_colmaker"},
        {"objective": "rank:ndcg"},
        {"device": "cuda"},
        {"tree_method": "exact"},
    ],
    ids=str,
)
def test_what_draws_or_is_unknown_starts_over(params: dict[str, Any]) -> None:
    task: Task = "ranking" if "objective" in params else "binary"
    spec = make_spec("xgboost", task, 2, params=params)

    assert not can_continue_xgboost(spec, objective_of(spec))


def test_a_fit_that_draws_is_neither_kept_nor_gone_on_with() -> None:
    spec = make_spec("xgboost", "binary", 2, params={"subsample": 0.7})

    whole, two, heard = in_one_go_and_in_two(spec)

    assert heard[0] == 1
    features = make_rows(2).features.astype(np.float32)
    assert_array_equal(two.raw_scores(features), whole.raw_scores(features))


def test_lightgbm_starts_over() -> None:
    kept = Kept()
    rows = make_rows(2)

    _fit(make_spec("lightgbm", "binary", 2), rows.examples(), kept, {})

    assert kept.state is None


def test_a_fit_is_kept_whole_under_its_own_key(tmp_path: Path) -> None:
    log: list[str] = []
    state = FitState(7, 3, 0.25, b"booster")
    FoldProgress(tmp_path, KEY, 1, log.append).save(state)

    assert FoldProgress(tmp_path, KEY, 1, log.append).earlier() == state
    assert log == ["the fold goes on after the 7 rounds of an earlier start"]
    assert FoldProgress(tmp_path, "f" * 32, 1, log.append).earlier() is None
    assert FoldProgress(tmp_path, KEY, 2, log.append).earlier() is None
    assert [path.name for path in tmp_path.rglob("*.npz")] == ["fit.npz"]


@pytest.mark.parametrize("n_bytes", [0, 1, 50, 300])
def test_a_damaged_file_counts_as_none(tmp_path: Path, n_bytes: int) -> None:
    log: list[str] = []
    progress = FoldProgress(tmp_path, KEY, 0, log.append)
    progress.save(FitState(7, 3, 0.25, b"booster"))
    [path] = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:n_bytes])

    assert progress.earlier() is None


def test_a_folder_that_cannot_be_written_does_not_end_the_fit(tmp_path: Path) -> None:
    log: list[str] = []
    (tmp_path / KEY).write_text("in the way")
    progress = FoldProgress(tmp_path, KEY, 0, log.append)

    progress.save(FitState(1, 0, float("nan"), b"booster"))

    assert "could not be kept in checkpoints" in log[0]
