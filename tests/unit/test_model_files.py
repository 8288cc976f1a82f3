"""The model folder during a fit: after every slow round it holds the model so far, whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from crossfold.algorithms.adapter import Model, ModelSpec
from crossfold.contract.stop import StopRequest
from crossfold.data.table import Column, Table
from crossfold.fitting import model_files
from crossfold.fitting.final_fit import fit_final
from crossfold.fitting.model_files import ModelKeeper, save_model
from crossfold.fitting.problem import Problem, Rows
from crossfold.fitting.target import TargetCoding
from crossfold.persistence.bundle import load_bundle


def _problem(algorithm: str) -> Problem:
    random = np.random.default_rng(0)
    dtype = np.float32 if algorithm == "xgboost" else np.float64
    features = random.normal(size=(200, 3)).astype(dtype)
    columns = tuple(Column(name, "number") for name in "abc")
    label = features[:, 0].astype(np.float64)
    spec = ModelSpec(algorithm, "regression", 0, num_round=6)
    coding = TargetCoding("regression", (), "as asked for")
    return Problem(Rows(Table(features, columns, label, "y"), label), coding, spec)


@pytest.mark.parametrize("algorithm", ["xgboost", "lightgbm"])
def test_each_slow_round_leaves_a_whole_model_of_the_rounds_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    monkeypatch.setattr(model_files, "SLOW_ROUND_S", -1.0)
    keeper = ModelKeeper(tmp_path, _problem(algorithm), "single")
    seen: list[tuple[int, int | None, bool, int | None]] = []

    def keep(model: Model, n_done: int) -> None:
        keeper.keep(model, n_done)
        bundle = load_bundle(tmp_path)
        stored = bundle.manifest
        n_rounds = bundle.models[0].n_rounds
        seen.append((n_done, stored.rounds_done, stored.complete, n_rounds))

    fit_final(_problem(algorithm), StopRequest(), keep=keep)

    assert seen == [(n, n, False, n) for n in range(1, 7)]


def test_quick_rounds_cost_no_writing(tmp_path: Path) -> None:
    keeper = ModelKeeper(tmp_path, _problem("xgboost"), "single")

    fit_final(_problem("xgboost"), StopRequest(), keep=keeper.keep)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("asked", [None, "reg:absoluteerror"])
def test_manifest_has_the_objective_that_was_asked_for(asked: str | None, tmp_path: Path) -> None:
    problem = _problem("xgboost")
    params = {} if asked is None else {"objective": asked}
    problem = replace(problem, spec=replace(problem.spec, params=params))

    save_model(tmp_path, problem, fit_final(problem, StopRequest()), kind="single")

    assert load_bundle(tmp_path).manifest.objective == asked
